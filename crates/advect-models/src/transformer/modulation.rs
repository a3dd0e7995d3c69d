//! Factors and terms for the columns of tokens, from features of time and condition.

use advect_core::Result;
use advect_nn::{Cost, Linear};
use advect_ops::Value;
use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::of_layer;

/// A linear layer that begins as zeros, whose outputs are several rows of the width of tokens.
#[derive(Debug, Clone)]
pub(super) struct Modulation {
    linear: Linear,
    width: usize,
}

impl Modulation {
    /// A layer with this number of parts.
    pub(super) fn new(width: usize, parts: usize, builder: &VarBuilder<'_>) -> Result<Self> {
        let builder = builder.pp("adaLN_modulation.1");
        Ok(Modulation {
            linear: Linear::zero(width, parts * width, &builder)?,
            width,
        })
    }

    /// All parts side by side, given the SiLU of features: `(batch, parts · width)`, or one row for the whole batch.
    pub(super) fn forward<V: Value>(&self, features: &V) -> Result<V> {
        self.linear.forward(features)
    }

    /// One of the parts: `(batch, width)`, or `(width,)` for the whole batch.
    pub(super) fn part<V: Value>(&self, all: &V, i: usize) -> Result<V> {
        let shared = all.primal().dims()[0] == 1;
        all.map_linear(|x| {
            let part = x.narrow(1, i * self.width, self.width)?;
            match shared {
                true => Ok(part.squeeze(0)?),
                false => Ok(part),
            }
        })
    }

    pub(super) fn parameters(&self) -> [&Tensor; 2] {
        of_layer(&self.linear)
    }

    pub(super) fn cost(&self) -> Cost {
        self.linear.cost()
    }
}
