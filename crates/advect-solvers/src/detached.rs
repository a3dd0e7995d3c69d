//! Derivatives of values outside of any graph.

use advect_core::{Error, Result};
use advect_ops::{with_gradient, without_graph};
use candle_core::{DType, Tensor, Var};

/// Checks that a value which no graph connects with x does not change with x, so that 0 is its derivative: it is compared
/// with the value at another x.
///
/// # Errors
/// [`Error::Detached`] naming `argument` if it changes, or cannot be computed there.
pub(crate) fn check_constant(
    argument: &'static str,
    f: impl Fn(&Tensor) -> Result<Tensor>,
    x: &Tensor,
    value: &Tensor,
) -> Result<()> {
    let x = x.detach();
    let moved = (&x + x.abs()?.affine(1.0 / 32.0, 1.0 / 32.0)?)?;
    let numbers =
        |y: &Tensor| Ok::<_, Error>(y.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?);
    let there = without_graph(|| f(&moved));
    if let Ok(there) = there
        && numbers(&there.detach())? == numbers(&value.detach())?
    {
        return Ok(());
    }
    Err(Error::detached(
        argument,
        "its value changes with x, but no graph connects the two, so that its derivative would be 0; compute it from x by \
         tracked operations, and the gradient of an energy by energy::GradientField",
    ))
}

/// Returns a value without derivatives of its own: a loss that is made of it fails in its backward pass.
pub(crate) fn undifferentiable(
    value: &Tensor,
    argument: &'static str,
    reason: &'static str,
) -> Result<Tensor> {
    let hook = Var::zeros((), DType::F32, value.device())?;
    with_gradient(value, &[hook.as_tensor().clone()], move |_, _| {
        Err(Error::detached(argument, reason))
    })
}

/// Whether a value depends on a variable besides x.
pub(crate) fn has_other_variables(value: &Tensor, x: &Var) -> bool {
    let nodes = value.sorted_nodes();
    nodes
        .iter()
        .any(|node| node.is_variable() && node.id() != x.id())
}
