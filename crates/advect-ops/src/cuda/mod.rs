//! Operations by kernels for CUDA.

mod activation;
pub(crate) mod attention;
mod gate;
pub(crate) mod gated_recurrence;
mod group_norm;
mod layer_norm;
pub(crate) mod log_softmax;
mod rotary;
mod softmax;

use advect_core::Result;
use advect_kernels::cuda::Fresh;
use candle_core::{DType, Tensor};

use crate::operation::{Operation, Output};

/// The kernels of an operation for CUDA devices, and for all float types.
///
/// Arguments are contiguous, alike in type and device, and none is empty.
pub trait OnCuda: Send + Sync + 'static {
    /// Returns the value, and what the backward pass needs besides the arguments and the value. `save` says whether there will be a
    /// backward pass.
    ///
    /// # Errors
    /// Errors of candle.
    fn forward(&self, inputs: &[&Tensor], save: bool) -> Result<(Fresh, Vec<Tensor>)>;

    /// Returns the gradients of the arguments for which they are wanted, given the gradient of the value, which is contiguous.
    ///
    /// # Errors
    /// Errors of candle.
    fn backward(
        &self,
        inputs: &[&Tensor],
        value: &Tensor,
        saved: &[Tensor],
        gradient: &Tensor,
        wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>>;
}

/// The kernels that run an operation of contiguous arguments, if it has any.
pub(crate) fn kernels(op: &impl Operation, inputs: &[&Tensor]) -> Option<Kernels> {
    let first = inputs.first()?;
    let known = matches!(
        first.dtype(),
        DType::F32 | DType::F64 | DType::F16 | DType::BF16
    );
    let fits =
        |x: &&Tensor| x.device().is_cuda() && x.dtype() == first.dtype() && x.elem_count() > 0;
    match known && inputs.iter().all(fits) {
        true => op.on_cuda(inputs).map(Kernels),
        false => None,
    }
}

/// An operation by its kernels.
pub(crate) struct Kernels(Box<dyn OnCuda>);

impl Operation for Kernels {
    type Saved = Vec<Tensor>;

    /// The kernels have been chosen, so nothing composes them.
    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        Ok(self.0.forward(inputs, false)?.0.into_tensor())
    }

    fn forward(&self, inputs: &[&Tensor], save: bool) -> Result<(Output, Vec<Tensor>)> {
        let (value, saved) = self.0.forward(inputs, save)?;
        Ok((value.into(), saved))
    }

    fn backward(
        &self,
        inputs: &[&Tensor],
        value: &Tensor,
        saved: &Vec<Tensor>,
        gradient: &Tensor,
        wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        self.0.backward(inputs, value, saved, gradient, wanted)
    }
}
