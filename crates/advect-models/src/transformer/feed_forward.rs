//! The layers that each token goes through by itself.

use advect_core::Result;
use advect_nn::{Activation, Cost, Linear};
use advect_ops::Value;
use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::of_layer;

/// The layers that each token goes through by itself, in a [`DiffusionTransformer`](crate::DiffusionTransformer).
///
/// | name | formula | source |
/// | --- | --- | --- |
/// | `Gelu` | `W₂ gelu(W₁ x + b₁) + b₂`, with the tanh approximation of the GELU | Peebles and Xie 2023 |
/// | `SwiGlu` | `W₃ (silu(W₁ x + b₁) · (W₂ x + b₂)) + b₃` | Shazeer 2020, eq. 6 |
///
/// `Gelu` has `⌊ratio · width⌋` numbers in the middle, and `SwiGlu` two thirds of them, so that both have about the same
/// number of parameters.
#[doc(alias = "MLP")]
#[doc(alias = "FFN")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum FeedForward {
    /// Two layers with a GELU between them: parameters `fc1` and `fc2`.
    #[default]
    Gelu,
    /// A gated linear unit with SiLU: parameters `w12`, the gate's rows first, and `w3`.
    #[doc(alias = "swiglu")]
    SwiGlu,
}

impl FeedForward {
    /// The size of the middle.
    pub(super) fn hidden(self, width: usize, ratio: f64) -> usize {
        let hidden = (width as f64 * ratio) as usize;
        match self {
            FeedForward::Gelu => hidden,
            FeedForward::SwiGlu => (2.0 / 3.0 * hidden as f64) as usize,
        }
    }
}

/// The layers of one block.
#[derive(Debug, Clone)]
pub(super) struct FeedForwardLayers {
    kind: FeedForward,
    first: Linear,
    second: Linear,
}

impl FeedForwardLayers {
    pub(super) fn new(
        kind: FeedForward,
        width: usize,
        hidden: usize,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        let (first, second, outputs) = match kind {
            FeedForward::Gelu => ("fc1", "fc2", hidden),
            FeedForward::SwiGlu => ("w12", "w3", 2 * hidden),
        };
        Ok(FeedForwardLayers {
            kind,
            first: Linear::xavier(width, outputs, &builder.pp(first))?,
            second: Linear::xavier(hidden, width, &builder.pp(second))?,
        })
    }

    pub(super) fn forward<V: Value>(&self, x: &V) -> Result<V> {
        match self.kind {
            FeedForward::Gelu => self.first.then(x, Activation::GeluTanh, &self.second),
            FeedForward::SwiGlu => {
                let both = self.first.forward(x)?;
                let last = both.primal().rank() - 1;
                let hidden = both.primal().dims()[last] / 2;
                let half = |i| {
                    both.map_linear(|x| Ok(x.narrow(last, i * hidden, hidden)?.contiguous()?))
                };
                let gated = Activation::Silu.apply(&half(0)?)?.times(&half(1)?)?;
                self.second.forward(&gated)
            }
        }
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = &Tensor> {
        [&self.first, &self.second].into_iter().flat_map(of_layer)
    }

    pub(super) fn cost(&self, tokens: usize) -> Cost {
        self.first.cost_at(tokens) + self.second.cost_at(tokens)
    }
}
