//! Rotary position embedding.

use advect_core::Result;
use advect_kernels::cuda::Fresh;
use advect_kernels::cuda::rotary::rotate;
use candle_core::Tensor;

use super::OnCuda;
use crate::rotary::{Rotary, pairs};

impl OnCuda for Rotary {
    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Fresh, Vec<Tensor>)> {
        let x = inputs[0];
        let y = rotate(&pairs(x, false), x, &self.cosines, &self.sines)?;
        Ok((y, Vec::new()))
    }

    fn backward(
        &self,
        _: &[&Tensor],
        _: &Tensor,
        _: &[Tensor],
        gradient: &Tensor,
        _: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let dx = rotate(&pairs(gradient, true), gradient, &self.cosines, &self.sines)?;
        Ok(vec![Some(dx.into_tensor())])
    }
}
