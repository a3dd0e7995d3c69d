//! Places in candle's graph.

mod node;
mod port;

use std::cell::Cell;

use advect_core::{Error, Result};
use candle_core::Tensor;

use crate::operation::Output;
pub(crate) use port::attach;

/// Whether an operation of these arguments becomes part of the graph.
pub(crate) fn tracks(inputs: &[&Tensor]) -> bool {
    !UNTRACKED.get() && inputs.iter().any(|x| x.track_op())
}

thread_local! {
    static UNTRACKED: Cell<bool> = const { Cell::new(false) };
}

/// Calls `f` with the operations of this crate building no graph on this thread, as if no argument were tracked: for
/// values whose gradients are obtained otherwise. candle's own operations build theirs still.
///
/// ```
/// use advect_ops::{Activation, without_graph};
/// use candle_core::{Device, Var};
/// # fn main() -> advect_core::Result<()> {
/// let x = Var::new(&[1f64], &Device::Cpu)?;
/// assert!(Activation::Tanh.apply(x.as_tensor())?.track_op());
/// assert!(!without_graph(|| Activation::Tanh.apply(x.as_tensor()))?.track_op());
/// # Ok(())
/// # }
/// ```
pub fn without_graph<R>(f: impl FnOnce() -> R) -> R {
    with_untracked(true, f)
}

/// Calls `f` with the operations of this crate building their graph on this thread, also within [`without_graph`]: for
/// a value that is the derivative of another, whose graph ends with it.
///
/// ```
/// use advect_ops::{Activation, with_graph, without_graph};
/// use candle_core::{Device, Tensor, Var};
/// # fn main() -> advect_core::Result<()> {
/// /// `d/dx tanh x`, by one backward pass.
/// fn slope(x: &Tensor) -> advect_core::Result<Tensor> {
///     let x = Var::from_tensor(x)?;
///     let y = with_graph(|| Activation::Tanh.apply(x.as_tensor()))?;
///     Ok(y.sum_all()?.backward()?.get(&x).unwrap().clone())
/// }
/// let x = Tensor::new(&[0f64], &Device::Cpu)?;
/// assert_eq!(without_graph(|| slope(&x))?.to_vec1::<f64>()?, [1.0]);
/// # Ok(())
/// # }
/// ```
pub fn with_graph<R>(f: impl FnOnce() -> R) -> R {
    with_untracked(false, f)
}

fn with_untracked<R>(untracked: bool, f: impl FnOnce() -> R) -> R {
    /// Puts back what was, also after a panic.
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            UNTRACKED.set(self.0);
        }
    }
    let _restore = Restore(UNTRACKED.replace(untracked));
    f()
}

/// Gives a value computed in any way its place in the graph: it depends on `inputs`, and `backward` turns the gradient
/// of the value into a gradient for each of them.
///
/// Inputs that are not tracked are passed over; without a tracked one the value comes back as it is.
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
/// Those of candle. The backward pass fails if `backward` does, or does not return one gradient for each input, of its shape and dtype.
pub fn with_gradient(
    value: &Tensor,
    inputs: &[Tensor],
    backward: impl Fn(&Tensor, &[Tensor]) -> Result<Vec<Tensor>> + Send + Sync + 'static,
) -> Result<Tensor> {
    let wanted: Vec<bool> = inputs.iter().map(Tensor::track_op).collect();
    let tracked: Vec<Tensor> = (inputs.iter().filter(|x| x.track_op()).cloned()).collect();
    if tracked.is_empty() || UNTRACKED.get() {
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
    attach(Output::copy(value)?, &tracked, Box::new(run))
}
