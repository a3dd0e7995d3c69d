//! Convolutions.

use advect_core::Result;
use advect_kernels::cuda::Fresh;
use advect_kernels::cuda::convolution::{
    Added, bias_gradient, channel_gradient, channel_sums, forward, input_gradient, weight_gradient,
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
        let mut wanted = wanted.iter().copied();
        let mut wanted = || wanted.next().unwrap_or(false);
        let mut gradients = Vec::with_capacity(inputs.len());
        gradients.push(match wanted() {
            true => Some(input_gradient(g, weight, gradient)?.into_tensor()),
            false => None,
        });
        let sums = match bias.is_some() || self.onto == Some(Onto::Channels) {
            true => Some(channel_sums(g, gradient)?),
            false => None,
        };
        if let Some(onto) = onto {
            gradients.push(match (wanted(), &sums) {
                (false, _) => None,
                (true, Some(sums)) if self.onto == Some(Onto::Channels) => {
                    Some(channel_gradient(sums, onto)?.into_tensor())
                }
                (true, _) => Some(gradient.clone()),
            });
        }
        gradients.push(match wanted() {
            true => Some(weight_gradient(g, x, gradient)?),
            false => None,
        });
        if let (Some(bias), Some(sums)) = (bias, &sums) {
            gradients.push(match wanted() {
                true => Some(bias_gradient(sums, g.batch, bias)?.into_tensor()),
                false => None,
            });
        }
        Ok(gradients)
    }
}
