//! Attention of a block.

use advect_core::Result;
use advect_nn::{Activation, ConvolutionLayer, Cost, GroupNorm};
use advect_ops::{Convolution, HeadOrder, Value, conv2d, self_attention};
use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::law::Place;
use super::style::Style;
use crate::heads::Heads;
use crate::residual::scaled;

/// Self-attention of the pixels of normalised feature maps, added to them.
#[derive(Debug, Clone)]
pub(super) struct Attention {
    norm: GroupNorm,
    qkv: ConvolutionLayer,
    out: ConvolutionLayer,
    heads: usize,
    scale: f64,
}

impl Attention {
    pub(super) fn new(
        heads: Heads,
        channels: usize,
        style: &Style,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        let (qkv, out) = (builder.pp("qkv"), builder.pp("proj"));
        let law = style.law;
        Ok(Attention {
            norm: style.norm(channels, &builder.pp("norm2"))?,
            qkv: law.convolution(Place::Query, [channels, 3 * channels], 1, 0, &qkv)?,
            out: law.convolution(Place::Last, [channels, channels], 1, 0, &out)?,
            heads: heads.count(channels)?,
            scale: style.scale,
        })
    }

    pub(super) fn forward<V: Value>(&self, x: &V) -> Result<V> {
        let shape = x.primal().shape();
        let (batch, channels) = (shape.dims()[0], shape.dims()[1]);
        let pixels = shape.dims()[2..].iter().product::<usize>();
        let normal = self.norm.forward(x, Activation::Identity)?;
        let weight = by_head(self.qkv.weight(), self.heads)?;
        let bias = by_head(self.qkv.bias(), self.heads)?;
        let qkv = conv2d(&normal, &weight, Some(&bias), &Convolution::padded(0))?;
        let qkv = qkv.map_linear(|y| Ok(y.reshape((batch, 3 * channels, pixels))?))?;
        let h = self_attention(&qkv, self.heads, HeadOrder::ByHead)?;
        let h = h.map_linear(|h| Ok(h.reshape(shape)?))?;
        scaled(self.out.forward_onto(&h, x)?, self.scale)
    }

    pub(super) fn cost(&self, size: &[usize]) -> Cost {
        let pixels = (size.iter()).fold(1usize, |product, &side| product.saturating_mul(side));
        let mut same = size.to_vec();
        let layers = self.norm.cost() + self.qkv.cost(&mut same) + self.out.cost(&mut same);
        layers + cost_of_pairs(pixels, self.out.bias().elem_count())
    }
}

/// Parameters of queries, keys and values in the order of heads, roles, channels. EDM has the roles last; to sort
/// parameters costs less than to sort feature maps.
pub(super) fn by_head(parameter: &Tensor, heads: usize) -> Result<Tensor> {
    let (rows, dims) = (parameter.dims()[0], parameter.dims());
    let sorted = parameter
        .reshape((heads, rows / (3 * heads), 3, ()))?
        .transpose(1, 2)?;
    Ok(sorted.contiguous()?.reshape(dims)?)
}

/// The cost of the scores of all pairs of pixels, and of the sums of values that they weigh.
pub(super) fn cost_of_pairs(pixels: usize, channels: usize) -> Cost {
    Cost::of(0, pixels.saturating_mul(2 * channels), pixels)
}
