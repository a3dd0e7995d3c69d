//! Layer normalisation and RMS normalisation.

use advect_core::Result;
use advect_kernels::cuda::{Fresh, layer_norm};
use candle_core::Tensor;

use super::OnCuda;
use crate::layer_norm::Normalize;

impl OnCuda for Normalize {
    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Fresh, Vec<Tensor>)> {
        let (x, scale, shift) = (inputs[0], inputs[1], inputs.get(2).copied());
        let (y, statistics) = layer_norm::forward(&self.rows(x, scale), x, scale, shift)?;
        Ok((y, vec![statistics.into_tensor()]))
    }

    fn backward(
        &self,
        inputs: &[&Tensor],
        _: &Tensor,
        saved: &[Tensor],
        gradient: &Tensor,
        wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let (x, scale) = (inputs[0], inputs[1]);
        let rows = self.rows(x, scale);
        let tensors = [x, scale, &saved[0], gradient];
        let mut gradients = vec![None; inputs.len()];
        if wanted[0] {
            gradients[0] = Some(layer_norm::backward(&rows, tensors)?.into_tensor());
        }
        if wanted[1..].contains(&true) {
            let affine = layer_norm::affine(&rows, tensors)?;
            for (place, g) in gradients[1..].iter_mut().zip(affine) {
                *place = Some(g.into_tensor());
            }
        }
        Ok(gradients)
    }
}
