//! Attention, of queries, keys and values apart or packed.

use advect_core::Result;
use advect_kernels::cuda::Fresh;
use advect_kernels::cuda::attention::{self, Attention};
use candle_core::Tensor;

use super::OnCuda;

/// An attention, and the number of its arguments before the mask.
pub(crate) struct Attend {
    pub(crate) attention: Attention,
    pub(crate) arguments: usize,
}

impl OnCuda for Attend {
    fn forward(&self, inputs: &[&Tensor], save: bool) -> Result<(Fresh, Vec<Tensor>)> {
        let (inputs, mask) = inputs.split_at(self.arguments);
        let (y, weights) = attention::forward(&self.attention, inputs, mask.first().copied())?;
        Ok((y, weights.filter(|_| save).into_iter().collect()))
    }

    fn backward(
        &self,
        inputs: &[&Tensor],
        _: &Tensor,
        saved: &[Tensor],
        gradient: &Tensor,
        _: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let (arguments, mask) = inputs.split_at(self.arguments);
        let (mask, weights) = (mask.first().copied(), saved.first());
        let gradients = attention::backward(&self.attention, arguments, mask, weights, gradient)?;
        let gradients = gradients.into_iter().map(|g| Some(g.into_tensor()));
        let mut gradients: Vec<_> = gradients.collect();
        gradients.resize(inputs.len(), None);
        Ok(gradients)
    }
}
