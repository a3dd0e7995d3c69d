//! The blocks of a transformer, and its last layer.

use advect_core::Result;
use advect_nn::{Cost, Linear, Modulation};
use advect_ops::{Value, add_gated, checkpointed};
use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::attention::Attention;
use super::feed_forward::FeedForwardLayers;
use super::rotation::Rotation;
use super::token_norm::AdaptiveNorm;
use super::{DiffusionTransformerConfig, of_layer};

/// Attention, then layers for each token, both normalised, scaled, shifted and gated by what time and condition say:
/// adaLN-Zero (Peebles and Xie 2023, section 3.2 and figure 3).
#[derive(Debug, Clone)]
pub(super) struct Block {
    first_norm: AdaptiveNorm,
    attention: Attention,
    second_norm: AdaptiveNorm,
    feed_forward: FeedForwardLayers,
    modulation: Modulation,
}

impl Block {
    pub(super) fn new(
        config: &DiffusionTransformerConfig,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        let (width, kind) = (config.width, config.feed_forward);
        let mlp = builder.pp("mlp");
        Ok(Block {
            first_norm: AdaptiveNorm::new(config.norm, width, &builder.pp("norm1"))?,
            attention: Attention::new(config, &builder.pp("attn"))?,
            second_norm: AdaptiveNorm::new(config.norm, width, &builder.pp("norm2"))?,
            feed_forward: FeedForwardLayers::new(kind, width, config.hidden(), &mlp)?,
            modulation: modulation(width, 6, builder)?,
        })
    }

    /// As [`forward`](Self::forward), but the graph remembers the arguments alone, unless they move along a direction.
    pub(super) fn checkpointed<V: Value>(
        &self,
        x: &V,
        features: &V,
        rotation: Option<&Rotation>,
    ) -> Result<V> {
        if x.tangent().is_some() || features.tangent().is_some() {
            return self.forward(x, features, rotation);
        }
        let norms = [&self.first_norm, &self.second_norm];
        let parameters: Vec<Tensor> = (norms.into_iter().flat_map(AdaptiveNorm::parameters))
            .chain(self.attention.parameters())
            .chain(self.feed_forward.parameters())
            .chain(of_layer(self.modulation.linear()))
            .cloned()
            .collect();
        let (block, rotation) = (self.clone(), rotation.cloned());
        let inputs = [x.primal(), features.primal()];
        let value = checkpointed(&inputs, &parameters, move |inputs| {
            block.forward(&inputs[0], &inputs[1], rotation.as_ref())
        })?;
        Ok(V::constant(value))
    }

    /// The tokens after the block, given the SiLU of the features of time and condition.
    pub(super) fn forward<V: Value>(
        &self,
        x: &V,
        features: &V,
        rotation: Option<&Rotation>,
    ) -> Result<V> {
        let parts = self.modulation.forward(features)?;
        let h = self.first_norm.forward(x, &parts[0], &parts[1])?;
        let h = self.attention.forward(&h, rotation)?;
        let x = add_gated(x, &h, &parts[2])?;
        let h = self.second_norm.forward(&x, &parts[3], &parts[4])?;
        let h = self.feed_forward.forward(&h)?;
        add_gated(&x, &h, &parts[5])
    }

    pub(super) fn cost(&self, tokens: usize) -> Cost {
        let norms = self.first_norm.cost() + self.second_norm.cost();
        let layers = self.attention.cost(tokens) + self.feed_forward.cost(tokens);
        norms + layers + self.modulation.cost()
    }
}

/// The layer from tokens to patches.
#[derive(Debug, Clone)]
pub(super) struct LastLayer {
    norm: AdaptiveNorm,
    linear: Linear,
    modulation: Modulation,
}

impl LastLayer {
    pub(super) fn new(
        config: &DiffusionTransformerConfig,
        outputs: usize,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        let width = config.width;
        Ok(LastLayer {
            norm: AdaptiveNorm::new(config.norm, width, &builder.pp("norm_final"))?,
            linear: Linear::zero(width, outputs, &builder.pp("linear"))?,
            modulation: modulation(width, 2, builder)?,
        })
    }

    pub(super) fn forward<V: Value>(&self, x: &V, features: &V) -> Result<V> {
        let parts = self.modulation.forward(features)?;
        let h = self.norm.forward(x, &parts[0], &parts[1])?;
        self.linear.forward(&h)
    }

    pub(super) fn cost(&self, tokens: usize) -> Cost {
        self.norm.cost() + self.linear.cost_at(tokens) + self.modulation.cost()
    }
}

/// The layer that makes the parts of a modulation, which begins as zeros.
fn modulation(width: usize, parts: usize, builder: &VarBuilder<'_>) -> Result<Modulation> {
    let builder = builder.pp("adaLN_modulation.1");
    Modulation::new(Linear::zero(width, parts * width, &builder)?, parts)
}
