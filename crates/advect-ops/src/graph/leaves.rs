//! Gradients of variables, kept beside candle's sums.
//!
//! candle begins the gradient of a variable as zeros, too, and adds to it. In a pass that [`backward`](super::backward) begins, operations
//! of this crate keep the gradients of variables with the [pass](super::walk) instead, and they join candle's at the end.

use advect_core::Result;
use candle_core::{Storage, Tensor};

use super::walk;

/// The variables among the arguments of an operation.
pub(super) struct Leaves(Vec<Option<Tensor>>);

impl Leaves {
    pub(super) fn of(inputs: &[Tensor]) -> Self {
        let variable = |x: &Tensor| x.is_variable().then(|| x.clone());
        Leaves(inputs.iter().map(variable).collect())
    }

    /// Keeps the gradients of variables, and returns the others. `gradient` is that of the operation's value; `new` says that
    /// all others are in memory of their own.
    pub(super) fn keep(
        &self,
        gradients: Vec<Tensor>,
        gradient: &Tensor,
        new: bool,
    ) -> Result<Vec<Option<Tensor>>> {
        let mut places = self.0.iter();
        let one = |own: Tensor| match places.next().and_then(Option::as_ref) {
            Some(variable) if walk::expects(variable) => {
                walk::add(variable, alone(own, gradient, new)?)?;
                Ok(None)
            }
            _ => Ok(Some(own)),
        };
        gradients.into_iter().map(one).collect()
    }
}

/// A gradient in memory of its own, as candle's sums are: whoever has it may change it, or change that of another in its place.
fn alone(own: Tensor, gradient: &Tensor, new: bool) -> Result<Tensor> {
    let own = own.detach();
    let alone = new && own.is_contiguous() && memory(&own) != memory(gradient);
    match alone || own.elem_count() == 0 {
        true => Ok(own),
        false => Ok(own.force_contiguous()?),
    }
}

/// Where a tensor's memory is described.
fn memory(x: &Tensor) -> *const Storage {
    std::ptr::from_ref(&*x.storage_and_layout().0)
}
