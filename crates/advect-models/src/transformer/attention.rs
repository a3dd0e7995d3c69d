//! Attention of tokens, with norms and rotations of queries and keys.

use advect_core::Result;
use advect_nn::{Cost, Linear};
use advect_ops::{HeadOrder, Value, token_attention};
use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::rotation::Rotation;
use super::token_norm::HeadNorm;
use super::{DiffusionTransformerConfig, of_layer};

/// Attention of all tokens to all tokens, with several heads (Vaswani et al. 2017, section 3.2.2).
#[derive(Debug, Clone)]
pub(super) struct Attention {
    qkv: Linear,
    proj: Linear,
    /// The norms of queries and of keys.
    norms: Option<[HeadNorm; 2]>,
    heads: usize,
}

impl Attention {
    pub(super) fn new(
        config: &DiffusionTransformerConfig,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        let width = config.width;
        let norm = |name| HeadNorm::new(config.norm, width / config.heads, &builder.pp(name));
        Ok(Attention {
            qkv: Linear::xavier(width, 3 * width, &builder.pp("qkv"))?,
            proj: Linear::xavier(width, width, &builder.pp("proj"))?,
            norms: match config.qk_norm {
                true => Some([norm("q_norm")?, norm("k_norm")?]),
                false => None,
            },
            heads: config.heads,
        })
    }

    pub(super) fn forward<V: Value>(&self, x: &V, rotation: Option<&Rotation>) -> Result<V> {
        let mut qkv = self.qkv.forward(x)?;
        if self.norms.is_some() || rotation.is_some() {
            qkv = self.prepared(&qkv, rotation)?;
        }
        let h = token_attention(&qkv, self.heads, HeadOrder::ByRole)?;
        self.proj.forward(&h)
    }

    /// The same with normalised and turned queries and keys.
    fn prepared<V: Value>(&self, qkv: &V, rotation: Option<&Rotation>) -> Result<V> {
        let &[batch, tokens, columns] = qkv.primal().dims() else {
            return Ok(qkv.clone());
        };
        let width = columns / 3;
        let part =
            |role: usize| qkv.map_linear(|x| Ok(x.narrow(2, role * width, width)?.contiguous()?));
        let heads = (batch, tokens, self.heads, width / self.heads);
        let prepared = |role: usize| -> Result<V> {
            let mut x = part(role)?.map_linear(|x| Ok(x.reshape(heads)?))?;
            if let Some(norms) = &self.norms {
                x = norms[role].forward(&x)?;
            }
            if let Some(rotation) = rotation {
                x = rotation.apply(&x)?;
            }
            x.map_linear(|x| Ok(x.reshape((batch, tokens, width))?))
        };
        V::concatenate(&[&prepared(0)?, &prepared(1)?, &part(2)?], 2)
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = &Tensor> {
        let layers = [&self.qkv, &self.proj].into_iter().flat_map(of_layer);
        layers.chain(self.norms.iter().flatten().flat_map(HeadNorm::parameters))
    }

    pub(super) fn cost(&self, tokens: usize) -> Cost {
        let width = self.proj.bias().elem_count();
        let norms = self.norms.iter().flatten().map(HeadNorm::cost);
        let layers = norms.fold(self.qkv.cost_at(tokens), |sum, cost| sum + cost);
        // The scores of all pairs, and the sums of values that they weigh.
        let pairs = Cost::of(0, tokens.saturating_mul(2 * width), tokens);
        layers + self.proj.cost_at(tokens) + pairs
    }
}
