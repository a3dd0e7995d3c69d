//! A block of the encoder or the decoder (Karras et al. 2024, figure 21).

use advect_core::{Key, Result};
use advect_nn::{Activation, Cost, ResamplingFilter};
use advect_ops::{Value, checkpointed, dropout};
use candle_core::Tensor;
use candle_nn::VarBuilder;
use candle_nn::init::ZERO;

use super::arithmetic::{SILU, shares, times};
use super::attention::Attention;
use super::clip::clipped;
use super::layer::Layer;
use super::normalize::normalized;
use super::style::Style;
use crate::edm::plan::BlockPlan;
use crate::edm::settings::Settings;
use crate::resample::Resample;

/// The two kinds of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavor {
    /// Its input is projected and normalised before both branches.
    Encoder,
    /// Its input is projected beside the residual branch.
    Decoder,
}

/// A residual block, then attention if it has any. Values are limited.
#[derive(Debug, Clone)]
pub(super) struct Block {
    flavor: Flavor,
    resample: Resample,
    skip: Option<Layer>,
    first: Layer,
    embedding: Layer,
    /// The factor of what noise and class say, a scalar.
    gain: Tensor,
    second: Layer,
    attention: Option<Attention>,
    style: Style,
    /// The probability of dropping a feature, and the name under which features are dropped.
    dropout: (f64, String),
}

impl Block {
    pub(super) fn new(
        flavor: Flavor,
        plan: BlockPlan,
        settings: &Settings,
        style: Style,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        let BlockPlan {
            inputs, outputs, ..
        } = plan;
        let enters = match flavor {
            Flavor::Encoder => outputs,
            Flavor::Decoder => inputs,
        };
        let first = Layer::convolution(enters, outputs, 3, &builder.pp("conv_res0"))?;
        let embedding = Layer::linear(settings.embedding(), outputs, &builder.pp("emb_linear"))?;
        let second = Layer::convolution(outputs, outputs, 3, &builder.pp("conv_res1"))?;
        let skip = match inputs != outputs {
            true => Some(Layer::convolution(
                inputs,
                outputs,
                1,
                &builder.pp("conv_skip"),
            )?),
            false => None,
        };
        let attention = match plan.attends {
            true => {
                let heads = settings.heads.count(outputs)?;
                Some(Attention::new(outputs, heads, style.attention, builder)?)
            }
            false => None,
        };
        Ok(Block {
            flavor,
            resample: plan.resample,
            skip,
            first,
            embedding,
            gain: builder.get_with_hints((), "emb_gain", ZERO)?,
            second,
            attention,
            style,
            dropout: (settings.dropout, builder.prefix()),
        })
    }

    /// The value at x, given the SiLU of the features of noise and class, `(1, n)` or `(batch, n)`.
    pub(super) fn forward<V: Value>(
        &self,
        x: &V,
        embedding: &V,
        dropping: Option<Key>,
    ) -> Result<V> {
        let moves = x.tangent().is_some() || embedding.tangent().is_some();
        if moves || !self.style.checkpointing {
            return self.evaluate(x, embedding, dropping);
        }
        let parameters = self.layers().map(Layer::weight).chain([&self.gain]);
        let parameters: Vec<Tensor> = parameters.cloned().collect();
        let (block, inputs) = (self.clone(), [x.primal(), embedding.primal()]);
        let value = checkpointed(&inputs, &parameters, move |inputs| {
            block.evaluate(&inputs[0], &inputs[1], dropping)
        })?;
        Ok(V::constant(value))
    }

    fn evaluate<V: Value>(&self, x: &V, embedding: &V, dropping: Option<Key>) -> Result<V> {
        let project = |x: V| match &self.skip {
            Some(skip) => skip.forward(&x, 1.0),
            None => Ok(x),
        };
        let mut x = self.resample.apply(&ResamplingFilter::mean(), x)?;
        if self.flavor == Flavor::Encoder {
            x = normalized(&project(x)?, 1, 1.0)?;
        }
        let h = self
            .first
            .forward(&Activation::Silu.apply(&x)?, 1.0 / SILU)?;
        let h = Activation::Silu.apply(&h.times(&self.scales(embedding)?)?)?;
        let h = match dropping {
            Some(key) => dropout(&h, self.dropout.0, key.named(&self.dropout.1))?,
            None => h,
        };
        if self.flavor == Flavor::Decoder {
            x = project(x)?;
        }
        let [first, second] = shares(self.style.residual);
        let onto = times(&x, first)?;
        let mut y = self.second.forward_onto(&h, second / SILU, &onto)?;
        if let Some(attention) = &self.attention {
            y = attention.forward(&y)?;
        }
        match self.style.clip {
            Some(bound) => clipped(&y, bound),
            None => Ok(y),
        }
    }

    /// The factors of the channels, `(…, channels, 1, 1)`: 1, and what noise and class say.
    fn scales<V: Value>(&self, embedding: &V) -> Result<V> {
        let said = self.embedding.forward(embedding, 1.0 / SILU)?;
        let said = said.times(&V::constant(self.gain.clone()))?;
        let said = said.map_linear(|c| Ok(c.unsqueeze(2)?.unsqueeze(3)?))?;
        said.plus(&V::constant(said.primal().ones_like()?))
    }

    pub(super) fn layers(&self) -> impl Iterator<Item = &Layer> {
        let attention = self.attention.iter().flat_map(Attention::layers);
        let layers = [&self.first, &self.embedding, &self.second];
        layers.into_iter().chain(&self.skip).chain(attention)
    }

    /// The cost for a sample of a size, which becomes the size of the value.
    pub(super) fn cost(&self, size: &mut [usize]) -> Cost {
        self.resample.resize(size);
        let pixels = (size.iter()).fold(1usize, |product, &side| product.saturating_mul(side));
        let layers = [&self.first, &self.second].into_iter().chain(&self.skip);
        let layers = layers.fold(Cost::of(1, 0, 0), |sum, layer| sum + layer.cost(pixels));
        let attention = self.attention.as_ref().map(|layer| layer.cost(pixels));
        layers + self.embedding.cost(1) + attention.unwrap_or_default()
    }
}
