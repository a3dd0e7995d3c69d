//! Vector–Jacobian products by candle's backward pass.

use advect_core::{Error, Result, check, shape};
use advect_ops::{backward, with_gradient, with_graph};
use candle_core::{Tensor, Var};

/// A value, and the gradients of `cotangent · value`.
pub(super) struct Pullback {
    pub(super) value: Tensor,
    /// With respect to the state; `None` for 0.
    pub(super) state: Option<Tensor>,
    /// With respect to each parameter; `None` for 0. They are in f32 for parameters of 16 bits, as sums of many would stop
    /// growing.
    pub(super) parameters: Vec<Option<Tensor>>,
}

/// The value of `f` at `x`, and its derivatives against a cotangent.
pub(super) fn pull_back(
    f: impl FnOnce(&Tensor) -> Result<Tensor>,
    x: &Tensor,
    cotangent: &Tensor,
    parameters: &[Tensor],
) -> Result<Pullback> {
    let x = Var::from_tensor(&x.detach())?;
    let value = with_graph(|| f(x.as_tensor()))?;
    check::alike("field", &value, "x", x.as_tensor())?;
    if !value.track_op() {
        return Ok(Pullback {
            value,
            state: None,
            parameters: vec![None; parameters.len()],
        });
    }
    let cotangent = cotangent.detach();
    let zero = Tensor::zeros((), value.dtype(), value.device())?;
    let seed = with_gradient(&zero, std::slice::from_ref(&value), move |_, _| {
        Ok(vec![cotangent.clone()])
    })?;
    let mut gradients = backward(&seed)?;
    // Gradients are computed with variables: sums of many would be graphs as long.
    let mut alone = |of: &Tensor| gradients.remove(of).map(|gradient| gradient.detach());
    let state = alone(x.as_tensor());
    let wide = |p: &Tensor| alone(p).as_ref().map(shape::wide).transpose();
    Ok(Pullback {
        value: value.detach(),
        state,
        parameters: parameters.iter().map(wide).collect::<Result<_>>()?,
    })
}

/// Adds a gradient to a sum.
pub(super) fn add(sum: &mut Option<Tensor>, gradient: Option<Tensor>) -> Result<()> {
    *sum = match (sum.take(), gradient) {
        (Some(a), Some(b)) => Some((a + b)?),
        (a, b) => a.or(b),
    };
    Ok(())
}

/// The gradients of all parameters, from their sums, which are rounded to the parameters' dtypes.
///
/// # Errors
/// [`Error::Detached`] that names the first variable among them without a gradient.
pub(super) fn complete(sums: Vec<Option<Tensor>>, parameters: &[Tensor]) -> Result<Vec<Tensor>> {
    let one = |(i, (sum, parameter)): (usize, (Option<Tensor>, &Tensor))| match sum {
        Some(sum) => shape::cast(&sum, parameter.dtype()),
        None if parameter.track_op() => Err(without_gradient(i, parameter)),
        None => Ok(parameter.zeros_like()?),
    };
    let both = sums.into_iter().zip(parameters);
    both.enumerate().map(one).collect()
}

/// The error of a listed parameter that has no part in the field.
pub(super) fn without_gradient(position: usize, parameter: &Tensor) -> Error {
    let reason = format!(
        "number {position}, of shape {:?}, has no gradient: the field does not compute with it, or took its value out of \
         the graph; list the variables that the field computes with, and not those of a frozen twin",
        parameter.dims()
    );
    Error::detached("parameters", reason)
}
