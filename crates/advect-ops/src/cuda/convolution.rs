//! Convolutions.

use advect_core::Result;
use advect_kernels::cuda::Fresh;
use advect_kernels::cuda::convolution::{
    Added, bias_gradient, channel_gradient, channel_sums, forward, gradients,
};
use candle_core::Tensor;

use super::OnCuda;
use crate::convolution::operation::{Arguments, Convolve, Onto};

impl OnCuda for Convolve {
    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Fresh, Vec<Tensor>)> {
        let arguments = self.arguments(inputs);
        let whole = self.onto == Some(Onto::Whole);
        let added = Added {
            bias: arguments.bias,
            channels: arguments.onto.filter(|_| !whole),
            whole: arguments.onto.filter(|_| whole),
        };
        let y = forward(&self.geometry, arguments.x, arguments.weight, added)?;
        Ok((y, Vec::new()))
    }

    fn backward(
        &self,
        inputs: &[&Tensor],
        _: &Tensor,
        _: &[Tensor],
        gradient: &Tensor,
        wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let Arguments {
            x,
            onto,
            weight,
            bias,
        } = self.arguments(inputs);
        let g = &self.geometry;
        let after = usize::from(onto.is_some());
        let both = [wanted[0], wanted[1 + after]];
        let [in_x, in_weight] = gradients(g, x, weight, gradient, both)?;
        let mut found = vec![in_x];
        let sums = match bias.is_some() || self.onto == Some(Onto::Channels) {
            true => Some(channel_sums(g, gradient)?),
            false => None,
        };
        if let Some(onto) = onto {
            found.push(match (wanted[1], &sums) {
                (false, _) => None,
                (true, Some(sums)) if self.onto == Some(Onto::Channels) => {
                    Some(channel_gradient(sums, onto)?.into_tensor())
                }
                (true, _) => Some(gradient.clone()),
            });
        }
        found.push(in_weight);
        if let (Some(bias), Some(sums)) = (bias, &sums) {
            found.push(match wanted[2 + after] {
                true => Some(bias_gradient(sums, g.batch, bias)?.into_tensor()),
                false => None,
            });
        }
        Ok(found)
    }
}
