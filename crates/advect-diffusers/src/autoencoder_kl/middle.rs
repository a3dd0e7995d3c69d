//! The level of the smallest feature maps.

use advect_core::Result;
use advect_nn::Cost;
use advect_ops::Value;
use candle_nn::VarBuilder;

use super::config::{AutoencoderKlConfig, EPSILON};
use crate::block::{Attention, Residual};

/// Two residual blocks, perhaps with attention between them.
#[derive(Debug, Clone)]
pub(super) struct Middle {
    first: Residual,
    attention: Option<Attention>,
    second: Residual,
}

impl Middle {
    pub(super) fn new(
        config: &AutoencoderKlConfig,
        channels: usize,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        let residual = |i: usize| {
            let builder = builder.pp("resnets").pp(i);
            Residual::new(config.residual(channels, channels), &builder)
        };
        let attention = match config.attends {
            true => {
                let builder = builder.pp("attentions.0");
                let groups = Some(config.groups);
                Some(Attention::new(channels, None, groups, EPSILON, &builder)?)
            }
            false => None,
        };
        Ok(Middle {
            first: residual(0)?,
            attention,
            second: residual(1)?,
        })
    }

    pub(super) fn forward<V: Value>(&self, x: &V) -> Result<V> {
        let h = self.first.forward(x, None)?;
        let h = match &self.attention {
            Some(attention) => attention.forward(&h)?,
            None => h,
        };
        self.second.forward(&h, None)
    }

    pub(super) fn cost(&self, size: &mut [usize]) -> Cost {
        let attention = self.attention.as_ref().map(|block| block.cost(size));
        self.first.cost(size) + attention.unwrap_or_default() + self.second.cost(size)
    }
}
