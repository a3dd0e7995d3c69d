//! Operations by kernels for CUDA.

mod activation;
pub(crate) mod attention;
pub(crate) mod combine;
mod convolution;
mod dropout;
mod gate;
pub(crate) mod gated_recurrence;
mod group_norm;
mod layer_norm;
mod layers;
pub(crate) mod log_softmax;
pub(crate) mod masters;
pub(crate) mod norm;
mod planes;
mod rotary;
mod softmax;
mod squared_errors;
pub(crate) mod steps;

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
    match fits(inputs) {
        true => op.on_cuda(inputs).map(Kernels),
        false => None,
    }
}

/// Whether the kernels know these tensors: floats, alike, on a CUDA device, none of them empty.
pub(crate) fn fits(tensors: &[&Tensor]) -> bool {
    let dtype = tensors.first().map(|x| x.dtype());
    let each = |x: &&Tensor| x.device().is_cuda() && Some(x.dtype()) == dtype && x.elem_count() > 0;
    matches!(
        dtype,
        Some(DType::F32 | DType::F64 | DType::F16 | DType::BF16)
    ) && tensors.iter().all(each)
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
