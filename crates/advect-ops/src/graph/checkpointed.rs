//! Values of which the graph keeps only the inputs.

use std::collections::HashSet;

use advect_core::{Error, Result};
use candle_core::{Tensor, Var};

use super::{backward, tracks, with_gradient, with_graph, without_graph};

/// Returns `f(inputs)` without keeping intermediate values: the backward pass computes them again (Chen et al. 2016,
/// section 3). So a network of many blocks takes the memory of their inputs and of one block, for one more forward pass.
///
/// `f` is a function of its inputs and of `parameters`, which it holds, and gives the same value each time that it is
/// called. Gradients of both are the same as without this.
///
/// ```
/// use advect_ops::{Activation, checkpointed};
/// use candle_core::{Device, Var};
/// # fn main() -> advect_core::Result<()> {
/// let (x, w) = (Var::new(&[1f64, 2.0], &Device::Cpu)?, Var::new(&[3f64, 4.0], &Device::Cpu)?);
/// let weight = w.as_tensor().clone();
/// let y = checkpointed(&[x.as_tensor()], &[weight.clone()], move |inputs| {
///     Activation::Relu.apply(&(&inputs[0] * &weight)?)
/// })?;
/// let gradients = y.sum_all()?.backward()?;
/// assert_eq!(gradients.get(&x).unwrap().to_vec1::<f64>()?, [3.0, 4.0]);
/// assert_eq!(gradients.get(&w).unwrap().to_vec1::<f64>()?, [1.0, 2.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Range`] for a parameter that was computed of variables, whose gradient would not reach them: pass it as an input. Errors of `f`, in the
/// backward pass as well.
#[doc(alias = "gradient checkpointing")]
#[doc(alias = "activation checkpointing")]
#[doc(alias = "rematerialization")]
pub fn checkpointed(
    inputs: &[&Tensor],
    parameters: &[Tensor],
    f: impl Fn(&[Tensor]) -> Result<Tensor> + Send + Sync + 'static,
) -> Result<Tensor> {
    if (parameters.iter()).any(|x| x.track_op() && !x.is_variable()) {
        let accepted = "variables; what is computed of them is an input";
        return Err(Error::range("parameters", "a computed tensor", accepted));
    }
    let alone: Vec<Tensor> = inputs.iter().map(|x| x.detach()).collect();
    let value = without_graph(|| f(&alone))?;
    // A parameter that is given twice, such as a weight of two layers, has one gradient.
    let mut known = HashSet::new();
    let parameters: Vec<Tensor> = (parameters.iter())
        .filter(|x| known.insert(x.id()))
        .cloned()
        .collect();
    let all = inputs.iter().map(|&x| x.clone());
    let all: Vec<Tensor> = all.chain(parameters.iter().cloned()).collect();
    if !tracks(&all.iter().collect::<Vec<_>>()) {
        return Ok(value.detach());
    }
    let count = inputs.len();
    with_gradient(&value, &all, move |gradient, all| {
        let vars: candle_core::Result<Vec<Var>> =
            all[..count].iter().map(Var::from_tensor).collect();
        let vars = vars?;
        let inputs: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
        let value = with_graph(|| f(&inputs))?;
        let gradients = backward(&(value * gradient)?.sum_all()?)?;
        let of = |x: &Tensor| match gradients.get(x) {
            Some(gradient) => Ok(gradient.detach()),
            None => Ok(x.zeros_like()?.detach()),
        };
        inputs.iter().chain(&parameters).map(of).collect()
    })
}
