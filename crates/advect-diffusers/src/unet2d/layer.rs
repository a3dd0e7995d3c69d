//! A residual block, perhaps with attention after it.

use std::f64::consts::SQRT_2;

use advect_core::Result;
use advect_nn::Cost;
use advect_ops::Value;
use candle_nn::VarBuilder;

use super::config::UNet2dConfig;
use crate::block::{Attention, Residual, ResidualConfig};

/// A residual block, perhaps with attention after it.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    residual: Residual,
    attention: Option<Attention>,
}

impl Layer {
    /// Creates the block `resnets.i`, with `attentions.i` if it attends.
    pub(super) fn new(
        config: &UNet2dConfig,
        residual: ResidualConfig,
        attends: bool,
        skips: bool,
        i: usize,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        let layer = Layer {
            residual: Residual::new(residual, &builder.pp("resnets").pp(i))?,
            attention: None,
        };
        match attends {
            true => layer.attending(config, residual.outputs, skips, i, builder),
            false => Ok(layer),
        }
    }

    /// Adds the block `attentions.i`.
    pub(super) fn attending(
        self,
        config: &UNet2dConfig,
        channels: usize,
        skips: bool,
        i: usize,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        let groups = if skips {
            32
        } else {
            config.groups_of(channels)
        };
        let builder = builder.pp("attentions").pp(i);
        let attention = Attention::new(
            channels,
            config.head,
            Some(groups),
            config.epsilon,
            &builder,
        )?;
        let attention = attention.divided_by(if skips { SQRT_2 } else { 1.0 });
        Ok(Layer {
            attention: Some(attention),
            ..self
        })
    }

    pub(super) fn forward<V: Value>(&self, x: &V, features: &V) -> Result<V> {
        let h = self.residual.forward(x, Some(features))?;
        match &self.attention {
            Some(attention) => attention.forward(&h),
            None => Ok(h),
        }
    }

    pub(super) fn cost(&self, size: &mut [usize]) -> Cost {
        let cost = self.residual.cost(size);
        let attention = self.attention.as_ref().map(|block| block.cost(size));
        cost + attention.unwrap_or_default()
    }
}
