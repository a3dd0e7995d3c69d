//! Residual connections with gates.

use advect_core::Result;
use advect_kernels::cuda::{Fresh, gate};
use candle_core::Tensor;

use super::OnCuda;
use crate::add_gated::{AddGated, rows};

impl OnCuda for AddGated {
    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Fresh, Vec<Tensor>)> {
        let [x, h, gates] = [0, 1, 2].map(|i| inputs[i]);
        Ok((gate::forward(&rows(h, gates), [x, h, gates])?, Vec::new()))
    }

    fn backward(
        &self,
        inputs: &[&Tensor],
        _: &Tensor,
        _: &[Tensor],
        gradient: &Tensor,
        wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let (h, gates) = (inputs[1], inputs[2]);
        let rows = rows(h, gates);
        let in_h = || gate::backward(&rows, gates, gradient);
        let in_gates = || gate::of_gates(&rows, [h, gates, gradient]);
        let in_h = wanted[1].then(in_h).transpose()?;
        let in_gates = wanted[2].then(in_gates).transpose()?;
        Ok(vec![
            wanted[0].then(|| gradient.clone()),
            in_h.map(Fresh::into_tensor),
            in_gates.map(Fresh::into_tensor),
        ])
    }
}
