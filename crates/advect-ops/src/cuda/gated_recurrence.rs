//! The recurrence of gated recurrent units.

use advect_core::Result;
use advect_kernels::cuda::{Fresh, gated_recurrence};
use advect_kernels::gated_recurrence::Steps;
use candle_core::Tensor;

use super::OnCuda;

/// A recurrence in the type of arithmetic.
pub(crate) struct Recurrence(pub(crate) Steps);

impl OnCuda for Recurrence {
    fn forward(&self, inputs: &[&Tensor], save: bool) -> Result<(Fresh, Vec<Tensor>)> {
        let inputs = [0, 1, 2, 3].map(|i| inputs[i]);
        Ok(gated_recurrence::forward(&self.0, inputs, save)?)
    }

    fn backward(
        &self,
        inputs: &[&Tensor],
        _: &Tensor,
        saved: &[Tensor],
        gradient: &Tensor,
        _: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let inputs = [0, 1, 2, 3].map(|i| inputs[i]);
        let gradients = gated_recurrence::backward(&self.0, inputs, saved, gradient)?;
        Ok(gradients.map(Some).into())
    }
}
