//! The level without a change of size.

use advect_core::Result;
use advect_nn::Cost;
use advect_ops::Value;
use candle_nn::VarBuilder;

use super::config::UNet2dConfig;
use crate::block::{Attention, Residual, ResidualConfig};

/// Two residual blocks, perhaps with attention between them.
#[derive(Debug, Clone)]
pub(super) struct Middle {
    first: Residual,
    attention: Option<Attention>,
    second: Residual,
}

impl Middle {
    pub(super) fn new(
        config: &UNet2dConfig,
        attends: bool,
        channels: usize,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        let divisor = config.middle_divisor;
        let residual = ResidualConfig {
            divisor,
            ..config.residual(channels, channels)
        };
        let residual = |i: usize| Residual::new(residual, &builder.pp("resnets").pp(i));
        // With scale and shift it is not normalised, unless groups are given.
        let groups = match config.scale_shift {
            true => config.attention_groups,
            false => Some(
                config
                    .attention_groups
                    .unwrap_or(config.groups_of(channels)),
            ),
        };
        let attention = |()| -> Result<Attention> {
            let builder = builder.pp("attentions.0");
            let attention =
                Attention::new(channels, config.head, groups, config.epsilon, &builder)?;
            Ok(attention.divided_by(divisor))
        };
        Ok(Middle {
            first: residual(0)?,
            attention: attends.then_some(()).map(attention).transpose()?,
            second: residual(1)?,
        })
    }

    pub(super) fn forward<V: Value>(&self, x: &V, features: &V) -> Result<V> {
        let h = self.first.forward(x, Some(features))?;
        let h = match &self.attention {
            Some(attention) => attention.forward(&h)?,
            None => h,
        };
        self.second.forward(&h, Some(features))
    }

    pub(super) fn cost(&self, size: &mut [usize]) -> Cost {
        let attention = self.attention.as_ref().map(|block| block.cost(size));
        self.first.cost(size) + attention.unwrap_or_default() + self.second.cost(size)
    }
}
