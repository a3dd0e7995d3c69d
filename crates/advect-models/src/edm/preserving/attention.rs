//! Attention of a block.

use advect_core::Result;
use advect_nn::Cost;
use advect_ops::{Convolution, HeadOrder, Value, conv2d, self_attention};
use candle_nn::VarBuilder;

use super::arithmetic::{shares, times};
use super::layer::Layer;
use super::normalize::normalized;
use crate::edm::attention::{by_head, cost_of_pairs};

/// Self-attention of pixels by the cosines of their queries and keys, summed with them (Karras et al. 2024, figure 21): each
/// query, key and value of a head is normalised.
#[derive(Debug, Clone)]
pub(super) struct Attention {
    qkv: Layer,
    out: Layer,
    heads: usize,
    balance: f64,
}

impl Attention {
    pub(super) fn new(
        channels: usize,
        heads: usize,
        balance: f64,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        let (qkv, out) = (builder.pp("attn_qkv"), builder.pp("attn_proj"));
        Ok(Attention {
            qkv: Layer::convolution(channels, 3 * channels, 1, &qkv)?,
            out: Layer::convolution(channels, channels, 1, &out)?,
            heads,
            balance,
        })
    }

    pub(super) fn forward<V: Value>(&self, x: &V) -> Result<V> {
        let shape = x.primal().shape();
        let (batch, channels) = (shape.dims()[0], shape.dims()[1]);
        let pixels = shape.dims()[2..].iter().product::<usize>();
        let weight = by_head(&self.qkv.weight_of_length(1.0)?, self.heads)?;
        let qkv = conv2d(x, &weight, None, &Convolution::padded(0))?;
        let each = channels / self.heads;
        let parts = (batch * 3 * self.heads, each, pixels);
        let parts = qkv.map_linear(|y| Ok(y.reshape(parts)?))?;
        let all = (batch, 3 * channels, pixels);
        let qkv = normalized(&parts, 1, 1.0)?.map_linear(|y| Ok(y.reshape(all)?))?;
        let h = self_attention(&qkv, self.heads, HeadOrder::ByHead)?;
        let h = h.map_linear(|h| Ok(h.reshape(shape)?))?;
        let [first, second] = shares(self.balance);
        self.out.forward_onto(&h, second, &times(x, first)?)
    }

    pub(super) fn layers(&self) -> [&Layer; 2] {
        [&self.qkv, &self.out]
    }

    pub(super) fn cost(&self, pixels: usize) -> Cost {
        let channels = self.out.weight().dims()[0];
        let layers = self.qkv.cost(pixels) + self.out.cost(pixels);
        layers + cost_of_pairs(pixels, channels)
    }
}
