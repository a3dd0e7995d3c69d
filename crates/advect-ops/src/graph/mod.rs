//! Positions in candle's graph, and the way of gradients from one operation to the one before.
//!
//! candle begins each gradient as zeros and adds to it: two passes over memory for every argument of every operation. So between
//! operations of this crate gradients are handed over beside the graph. A value that an operation made has two nodes:
//!
//! ```text
//!   arguments ◄── counter ◄── value
//!                    ▲          ▲
//!                 ours        candle's operations
//! ```
//!
//! The **counter** is a tensor of two numbers that depends on the operation's arguments. The **value** depends on the counter
//! alone. Operations of candle, and whoever looks at the graph, know the value. Ours depend on the counter in its stead.
//!
//! The **port** of a value is where its gradients arrive. Backwards, an operation of ours leaves the gradient of an argument at the
//! argument's port, and gives the counter the gradient (1, number): one more, and which. candle's operations add to the value's own
//! gradient as ever; the node of the value leaves that sum at the port, as one more. candle sums the counter's gradients, and
//! visits it after all that depend on it: the counter's node takes from the port as many as were counted, checks their numbers, adds
//! them up, and calls the operation's backward function. A part of these sums that candle made is what it would have made; where both
//! kinds use a value, the order of the sum is another one.
//!
//! A pass that [`backward`] begins does without the counters' numbers: it knows beforehand how many gradients arrive at each value ([uses]), and
//! has a number by which it knows its own ([walk]). It fails where there are more or fewer. On a GPU, where to read a counter is to wait for the
//! device, other passes count without checking which, and only at values that have got several.
//!
//! An **entrance** is a value's counter and port. It is found by the value's [`TensorId`](candle_core::TensorId), in a table of all
//! entrances. A clone has the same id, and is the same value. What is detached, or a variable made of it, has another id, no
//! entrance, and no part in the graph.
//!
//! # Who holds whom
//!
//! The value's node holds the counter (as its argument), the port, and a registration; when it is dropped with the value's last
//! clone, the registration takes the entrance out of the table. The counter's node holds the port, the operation's backward
//! function, and the ports of the arguments. The port holds the value's memory, and what has been left at it. The table holds
//! counters and ports, but no value: so nothing is held in a circle, and an entry lives as long as the value.
//!
//! # What is relied on
//!
//! Of candle's backward pass: that one thread walks it; that each node's `bwd` is called at most once in it, after those of all nodes
//! that depend on it; that gradients of a node are added up, all of them, before. Of its tensors: that an id is never used twice.
//!
//! # Passes that fail, that are nested, that run at once
//!
//! What is left lies on a stack for each place and thread ([`Handover`](handover::Handover)). Passes of other threads don't see it.
//! A pass that failed leaves gradients below those of the next, which takes as many as it counted from the top. A pass that is
//! run by a backward function of ours takes its own from the top; if it fails, and the function goes on regardless, what it left
//! is known by the function's number. All of it is dropped with the value. Where the numbers don't fit (a pass that failed within a
//! custom operation of candle's, which is not seen from here, or any pass there through values of another), the pass fails with [`Error::Range`]: no gradient is ever wrong in
//! silence.
//!
//! The gradients of variables stay out of candle's sums in the same way, in a pass that [`backward`] begins ([leaves]).
//!
//! [`with_plain_graph`] does without all this: one node each.

mod checkpointed;
mod count;
mod handover;
mod leaves;
mod node;
mod port;
mod scopes;
mod uses;
mod walk;

use advect_core::{Error, Result};
use candle_core::Tensor;

use crate::output::Output;
pub use checkpointed::checkpointed;
pub(crate) use port::attach;
pub(crate) use scopes::tracks;
pub use scopes::{with_graph, with_plain_graph, without_graph};
pub use walk::backward;

/// Connects a value that was computed in any way to the graph: it depends on `inputs`, and `backward` turns the
/// gradient of the value into a gradient for each input.
///
/// Inputs that are not tracked are skipped. Without a tracked input the value is returned as it is.
///
/// ```
/// use advect_ops::with_gradient;
/// use candle_core::{Device, Var};
/// # fn main() -> advect_core::Result<()> {
/// let x = Var::new(&[3f64], &Device::Cpu)?;
/// // The value of |x|, with the gradient of x² / 2.
/// let y = with_gradient(&x.abs()?, &[x.as_tensor().clone()], |g, inputs| Ok(vec![(g * &inputs[0])?]))?;
/// let gradients = y.sum_all()?.backward()?;
/// assert_eq!(gradients.get(&x).unwrap().to_vec1::<f64>()?, [3.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Errors of candle. The backward pass fails if `backward` does, or does not return one gradient for each input, of its shape and dtype.
#[doc(alias = "custom gradient")]
#[doc(alias = "custom_vjp")]
#[doc(alias = "autograd")]
pub fn with_gradient(
    value: &Tensor,
    inputs: &[Tensor],
    backward: impl Fn(&Tensor, &[Tensor]) -> Result<Vec<Tensor>> + Send + Sync + 'static,
) -> Result<Tensor> {
    let wanted: Vec<bool> = inputs.iter().map(Tensor::track_op).collect();
    let tracked: Vec<Tensor> = (inputs.iter().filter(|x| x.track_op()).cloned()).collect();
    if tracked.is_empty() || scopes::untracked() {
        return Ok(value.detach());
    }
    let inputs: Vec<Tensor> = inputs.iter().map(Tensor::detach).collect();
    let run = move |_: &Tensor, gradient: &Tensor| {
        let gradients = backward(gradient, &inputs)?;
        if gradients.len() != inputs.len() {
            let accepted = format!("{}, one for each input", inputs.len());
            return Err(Error::range("backward", gradients.len(), accepted));
        }
        let chosen = gradients.into_iter().zip(&wanted);
        Ok(chosen
            .filter_map(|(g, &wanted)| wanted.then_some(g))
            .collect())
    };
    attach(Output::copy(value)?, &tracked, false, Box::new(run))
}
