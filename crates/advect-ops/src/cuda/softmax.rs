//! Softmax over the last dimension.

use advect_core::Result;
use advect_kernels::cuda::{Fresh, softmax};
use candle_core::Tensor;

use super::OnCuda;
use crate::softmax::Softmax;

impl OnCuda for Softmax {
    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Fresh, Vec<Tensor>)> {
        Ok((softmax::forward(inputs[0])?, Vec::new()))
    }

    fn backward(
        &self,
        _: &[&Tensor],
        value: &Tensor,
        _: &[Tensor],
        gradient: &Tensor,
        _: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let dx = softmax::backward(value, gradient)?;
        Ok(vec![Some(dx.into_tensor())])
    }
}
