//! A block of a diffusion transformer.

use advect_core::Result;
use advect_nn::{Activation, Cost, Linear, Modulation, adaptive_layer_norm};
use advect_ops::{HeadOrder, Value, add_gated, token_attention};
use candle_nn::VarBuilder;

use super::DitTransformer2dConfig;
use super::condition::Condition;

/// Attention, then layers for each token, both normalised, scaled, shifted and gated by time and class (Peebles and Xie
/// 2023, section 3.2). diffusers calls it `BasicTransformerBlock`.
#[derive(Debug, Clone)]
pub(super) struct Block {
    condition: Condition,
    modulation: Modulation,
    /// Of queries, keys and values.
    projections: [Linear; 3],
    out: Linear,
    layers: [Linear; 2],
    heads: usize,
    /// That of the second norm.
    epsilon: f64,
}

/// The number that is added to variances in the first norm, and in the last.
pub(super) const EPSILON: f64 = 1e-6;

impl Block {
    pub(super) fn new(config: &DitTransformer2dConfig, builder: &VarBuilder<'_>) -> Result<Self> {
        let width = config.width();
        let (norm, attention, layers) = (
            builder.pp("norm1"),
            builder.pp("attn1"),
            builder.pp("ff.net"),
        );
        let square = |name| Linear::new(width, width, &attention.pp(name));
        let modulation = Linear::new(width, 6 * width, &norm.pp("linear"))?;
        Ok(Block {
            condition: Condition::new(config.classes, width, &norm.pp("emb"))?,
            modulation: Modulation::new(modulation, 6)?,
            projections: [square("to_q")?, square("to_k")?, square("to_v")?],
            out: square("to_out.0")?,
            layers: [
                Linear::new(width, 4 * width, &layers.pp("0.proj"))?,
                Linear::new(4 * width, width, &layers.pp("2"))?,
            ],
            heads: config.heads,
            epsilon: config.epsilon,
        })
    }

    /// The features of time and class.
    pub(super) fn condition(&self) -> &Condition {
        &self.condition
    }

    /// The tokens after the block, given what its [`condition`](Self::condition) makes of time and class.
    pub(super) fn forward<V: Value>(&self, h: &V, features: &V) -> Result<V> {
        let parts = self.modulation.forward(features)?;
        let a = adaptive_layer_norm(h, &parts[1], &parts[0], EPSILON)?;
        let h = add_gated(h, &self.attention(&a)?, &parts[2])?;
        let a = adaptive_layer_norm(&h, &parts[4], &parts[3], self.epsilon)?;
        let [first, second] = &self.layers;
        let a = first.then(&a, Activation::GeluTanh, second)?;
        add_gated(&h, &a, &parts[5])
    }

    fn attention<V: Value>(&self, h: &V) -> Result<V> {
        let [q, k, v] = &self.projections;
        let qkv = [&q.forward(h)?, &k.forward(h)?, &v.forward(h)?];
        let h = token_attention(&V::concatenate(&qkv, 2)?, self.heads, HeadOrder::ByRole)?;
        self.out.forward(&h)
    }

    pub(super) fn cost(&self, tokens: usize) -> Cost {
        let width = self.out.bias().elem_count();
        let layers = self
            .projections
            .iter()
            .chain([&self.out])
            .chain(&self.layers);
        let layers = layers.map(|layer| layer.cost_at(tokens));
        let pairs = Cost::of(0, tokens.saturating_mul(2 * width), tokens);
        layers.fold(
            self.condition.cost() + self.modulation.cost() + pairs,
            |sum, cost| sum + cost,
        )
    }
}
