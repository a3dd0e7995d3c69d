//! Dropout.

use advect_core::Result;
use advect_kernels::cuda::{Fresh, dropout};
use candle_core::Tensor;

use super::OnCuda;
use crate::dropout::Dropout;

impl Dropout {
    fn on_device(&self, x: &Tensor) -> Result<Fresh> {
        let stretches = self.generator().stretches();
        Ok(dropout::dropout(
            &stretches,
            x,
            self.probability,
            self.factor(),
        )?)
    }
}

impl OnCuda for Dropout {
    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Fresh, Vec<Tensor>)> {
        Ok((self.on_device(inputs[0])?, Vec::new()))
    }

    fn backward(
        &self,
        _: &[&Tensor],
        _: &Tensor,
        _: &[Tensor],
        gradient: &Tensor,
        _: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(self.on_device(gradient)?.into_tensor())])
    }
}
