//! Attention blocks.

use advect_core::Result;
use advect_ops::{Convolution, HeadOrder, Value, self_attention};
use candle_nn::VarBuilder;

use super::UNetConfig;
use crate::heads::Heads;
use advect_nn::{Activation, ConvolutionLayer, Cost, GroupNorm};

/// Self-attention of the pixels of normalised feature maps, added to them.
#[derive(Debug, Clone)]
pub(super) struct Attention {
    norm: GroupNorm,
    qkv: ConvolutionLayer,
    out: ConvolutionLayer,
    heads: usize,
    order: HeadOrder,
}

impl Attention {
    pub(super) fn new(
        config: &UNetConfig,
        heads: Heads,
        channels: usize,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        let plain = Convolution::padded(0);
        let (qkv, out) = (builder.pp("qkv"), builder.pp("proj_out"));
        Ok(Attention {
            norm: GroupNorm::new(config.groups, channels, &builder.pp("norm"))?,
            qkv: ConvolutionLayer::new(channels, 3 * channels, &[1], plain, &qkv)?,
            out: ConvolutionLayer::zero(channels, channels, &[1], plain, &out)?,
            heads: heads.count(channels)?,
            order: config.order,
        })
    }

    pub(super) fn forward<V: Value>(&self, x: &V) -> Result<V> {
        let shape = x.primal().shape();
        let (batch, channels) = (shape.dims()[0], shape.dims()[1]);
        let pixels = shape.dims()[2..].iter().product::<usize>();
        let line = x.map_linear(|x| Ok(x.reshape((batch, channels, pixels))?))?;
        let qkv = self
            .qkv
            .forward(&self.norm.forward(&line, Activation::Identity)?)?;
        let h = self_attention(&qkv, self.heads, self.order)?;
        let y = self.out.forward_onto(&h, &line)?;
        y.map_linear(|y| Ok(y.reshape(shape)?))
    }

    pub(super) fn cost(&self, size: &[usize]) -> Cost {
        let pixels = size
            .iter()
            .fold(1usize, |product, &side| product.saturating_mul(side));
        let mut line = vec![pixels];
        let layers = self.norm.cost() + self.qkv.cost(&mut line) + self.out.cost(&mut line);
        let channels = self.out.bias().elem_count();
        // The scores of all pairs, and the sums of values that they weigh.
        layers + Cost::of(0, pixels.saturating_mul(2 * channels), pixels)
    }
}
