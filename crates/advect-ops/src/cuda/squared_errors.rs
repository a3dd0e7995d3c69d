//! Squared errors of samples.

use advect_core::Result;
use advect_kernels::cuda::{Fresh, squared_errors};
use candle_core::Tensor;

use super::OnCuda;
use crate::squared_errors::SquaredErrors;

impl OnCuda for SquaredErrors {
    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Fresh, Vec<Tensor>)> {
        let sums = squared_errors::forward([inputs[0], inputs[1]])?;
        Ok((sums, Vec::new()))
    }

    fn backward(
        &self,
        inputs: &[&Tensor],
        _: &Tensor,
        _: &[Tensor],
        gradient: &Tensor,
        wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let (pair, wanted) = ([inputs[0], inputs[1]], [wanted[0], wanted[1]]);
        let gradients = squared_errors::backward(pair, gradient, wanted)?;
        Ok(gradients.map(|g| g.map(Fresh::into_tensor)).into())
    }
}
