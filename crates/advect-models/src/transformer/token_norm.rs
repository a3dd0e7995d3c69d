//! The normalisation of tokens.

use advect_core::Result;
use advect_nn::{Cost, adaptive_layer_norm};
use advect_ops::{Value, layer_norm, rms_norm, shifted_rms_norm};
use candle_core::Tensor;
use candle_nn::VarBuilder;

/// The normalisation of tokens in a [`DiffusionTransformer`](crate::DiffusionTransformer).
///
/// | name | formula | source |
/// | --- | --- | --- |
/// | `Layer` | `(x − mean x) / √(variance x + ε)` | Ba et al. 2016, eq. 4; without factors of its own, as in Peebles and Xie 2023 |
/// | `Rms` | `x / √(mean x² + ε) · w`, with learned factors w that begin as 1 | Zhang and Sennrich 2019, eq. 4 |
///
/// ε is 10⁻⁶. The norm of queries and keys has learned factors in either case, and, for `Layer`, a learned shift and
/// ε = 10⁻⁵.
#[doc(alias = "LayerNorm")]
#[doc(alias = "RMSNorm")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TokenNorm {
    /// Layer normalisation.
    #[default]
    Layer,
    /// Normalisation by the root of the mean square, with learned factors: parameters `weight`.
    Rms,
}

/// The number that is added to variances.
const EPSILON: f64 = 1e-6;
/// The same for queries and keys that are layer-normalised.
const HEAD_EPSILON: f64 = 1e-5;

/// The norm of tokens, scaled and shifted by what the time and the condition say.
#[derive(Debug, Clone)]
pub(super) struct AdaptiveNorm {
    /// The learned factors.
    weight: Option<Tensor>,
}

impl AdaptiveNorm {
    pub(super) fn new(kind: TokenNorm, width: usize, builder: &VarBuilder<'_>) -> Result<Self> {
        let weight = match kind {
            TokenNorm::Layer => None,
            TokenNorm::Rms => {
                Some(builder.get_with_hints(width, "weight", candle_nn::init::ONE)?)
            }
        };
        Ok(AdaptiveNorm { weight })
    }

    /// The normalised x times `1 + scale`, plus `shift`; these are `(width,)` or `(batch, width)`.
    pub(super) fn forward<V: Value>(&self, x: &V, shift: &V, scale: &V) -> Result<V> {
        match &self.weight {
            None => adaptive_layer_norm(x, scale, shift, EPSILON),
            Some(weight) => {
                let factor = scale.plus_number(1.0)?;
                let factor = factor.times(&V::constant(weight.clone()))?;
                shifted_rms_norm(x, &factor, shift, EPSILON)
            }
        }
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = &Tensor> {
        self.weight.iter()
    }

    pub(super) fn cost(&self) -> Cost {
        let weights = self.weight.iter().map(Tensor::elem_count);
        Cost::of(weights.sum(), 0, 0)
    }
}

/// The norm of the queries, or of the keys, of each head.
#[derive(Debug, Clone)]
pub(super) struct HeadNorm {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl HeadNorm {
    pub(super) fn new(kind: TokenNorm, size: usize, builder: &VarBuilder<'_>) -> Result<Self> {
        let weight = builder.get_with_hints(size, "weight", candle_nn::init::ONE)?;
        let bias = match kind {
            TokenNorm::Layer => {
                Some(builder.get_with_hints(size, "bias", candle_nn::init::ZERO)?)
            }
            TokenNorm::Rms => None,
        };
        Ok(HeadNorm { weight, bias })
    }

    pub(super) fn forward<V: Value>(&self, x: &V) -> Result<V> {
        let weight = V::constant(self.weight.clone());
        match &self.bias {
            Some(bias) => layer_norm(x, &weight, &V::constant(bias.clone()), HEAD_EPSILON),
            None => rms_norm(x, &weight, EPSILON),
        }
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = &Tensor> {
        [&self.weight].into_iter().chain(&self.bias)
    }

    pub(super) fn cost(&self) -> Cost {
        let biases = self.bias.iter().map(Tensor::elem_count).sum::<usize>();
        Cost::of(self.weight.elem_count() + biases, 0, 0)
    }
}
