//! The logarithm of softmax at chosen elements.

use advect_core::Result;
use advect_kernels::cuda::{Fresh, log_softmax};
use candle_core::Tensor;

use super::OnCuda;
use crate::log_softmax::Chosen;

/// The elements, one of each row.
pub(crate) struct At {
    pub(crate) chosen: Chosen,
}

impl OnCuda for At {
    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Fresh, Vec<Tensor>)> {
        let x = inputs[0];
        let chosen = match &self.chosen {
            Chosen::There(indices, _) => indices.clone(),
            Chosen::Here(indices) => {
                let indices: Vec<i64> = indices.iter().map(|&i| i.into()).collect();
                Tensor::from_slice(&indices, indices.len(), x.device())?
            }
        };
        let (y, statistics) = log_softmax::forward(x, &chosen)?;
        Ok((y, vec![chosen, statistics.into_tensor()]))
    }

    fn backward(
        &self,
        inputs: &[&Tensor],
        _: &Tensor,
        saved: &[Tensor],
        gradient: &Tensor,
        _: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let dx = log_softmax::backward([inputs[0], &saved[0], &saved[1], gradient])?;
        Ok(vec![Some(dx.into_tensor())])
    }
}
