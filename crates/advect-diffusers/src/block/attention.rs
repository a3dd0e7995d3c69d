//! Attention blocks.

use advect_core::{Error, Result};
use advect_nn::{Activation, Cost, GroupNorm, Linear};
use advect_ops::{Convolution, HeadOrder, Value, conv1d, conv1d_onto, self_attention};
use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::divided;

/// Self-attention of the pixels of normalised feature maps, added to them. diffusers calls it `Attention`, and called it
/// `AttentionBlock` before.
#[derive(Debug, Clone)]
pub(crate) struct Attention {
    norm: Option<GroupNorm>,
    /// Of queries, keys and values.
    projections: [Linear; 3],
    out: Linear,
    heads: usize,
    divisor: f64,
}

impl Attention {
    /// Creates a block with heads of some channels, or a single head. Without groups, nothing is normalised.
    pub(crate) fn new(
        channels: usize,
        head: Option<usize>,
        groups: Option<usize>,
        epsilon: f64,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        let head = head.unwrap_or(channels);
        if head == 0 || !channels.is_multiple_of(head) {
            let accepted = format!("a divisor of the number of channels, {channels}");
            return Err(Error::range("attention_head_dim", head, accepted));
        }
        let norm = |groups| {
            let builder = builder.pp("group_norm");
            GroupNorm::new(groups, channels, &builder)?.epsilon(epsilon)
        };
        let linear = |name| Linear::new(channels, channels, &builder.pp(name));
        Ok(Attention {
            norm: groups.map(norm).transpose()?,
            projections: [linear("to_q")?, linear("to_k")?, linear("to_v")?],
            out: linear("to_out.0")?,
            heads: channels / head,
            divisor: 1.0,
        })
    }

    /// Divides the sum of attention and input by a number.
    pub(crate) fn divided_by(self, divisor: f64) -> Self {
        Attention { divisor, ..self }
    }

    pub(crate) fn forward<V: Value>(&self, x: &V) -> Result<V> {
        let shape = x.primal().shape();
        let (batch, channels) = (shape.dims()[0], shape.dims()[1]);
        let pixels = shape.dims()[2..].iter().product::<usize>();
        let line = x.map_linear(|x| Ok(x.reshape((batch, channels, pixels))?))?;
        let h = match &self.norm {
            Some(norm) => norm.forward(&line, Activation::Identity)?,
            None => line.clone(),
        };
        // One product for the three of them. Convolutions of one pixel leave channels where they are.
        let plain = Convolution::padded(0);
        let weights: Vec<&Tensor> = self.projections.iter().map(Linear::weight).collect();
        let biases: Vec<&Tensor> = self.projections.iter().map(Linear::bias).collect();
        let (weight, bias) = (
            Tensor::cat(&weights, 0)?.unsqueeze(2)?,
            Tensor::cat(&biases, 0)?,
        );
        let qkv = conv1d(&h, &weight, Some(&bias), &plain)?;
        let h = self_attention(&qkv, self.heads, HeadOrder::ByRole)?;
        let weight = self.out.weight().unsqueeze(2)?;
        let y = conv1d_onto(&h, &weight, Some(self.out.bias()), &plain, &line)?;
        divided(y, self.divisor)?.map_linear(|y| Ok(y.reshape(shape)?))
    }

    pub(crate) fn cost(&self, size: &[usize]) -> Cost {
        let pixels = (size.iter()).fold(1usize, |product, &side| product.saturating_mul(side));
        let channels = self.out.bias().elem_count();
        let norm = self.norm.as_ref().map(GroupNorm::cost).unwrap_or_default();
        let layers = self.projections.iter().chain([&self.out]);
        let layers = layers.fold(norm, |cost, layer| {
            let (weights, parameters) = (layer.weight().elem_count(), layer.cost().parameters);
            cost + Cost::of(parameters, weights, pixels)
        });
        // The scores of all pairs, and the sums of values that they weigh.
        layers + Cost::of(0, pixels.saturating_mul(2 * channels), pixels)
    }
}
