//! Group normalisation.

use advect_core::Result;
use advect_kernels::cuda::{Fresh, group_norm};
use candle_core::Tensor;

use super::OnCuda;
use crate::group_norm::GroupNorm;

impl OnCuda for GroupNorm {
    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Fresh, Vec<Tensor>)> {
        let [x, scale, shift] = [0, 1, 2].map(|i| inputs[i]);
        let groups = self.groups(x, scale);
        let (y, statistics) = group_norm::forward(&groups, [x, scale, shift])?;
        Ok((y, vec![statistics.into_tensor()]))
    }

    fn backward(
        &self,
        inputs: &[&Tensor],
        _: &Tensor,
        saved: &[Tensor],
        gradient: &Tensor,
        _: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let [x, scale, shift] = [0, 1, 2].map(|i| inputs[i]);
        let groups = self.groups(x, scale);
        let gradients = group_norm::backward(&groups, [x, scale, shift], &saved[0], gradient)?;
        Ok(gradients.map(|g| Some(g.into_tensor())).into())
    }
}
