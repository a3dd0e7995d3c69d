//! A residual block with attention.

use advect_core::{Key, Result};
use advect_nn::Cost;
use advect_ops::Value;
use candle_nn::VarBuilder;

use super::attention::Attention;
use super::law::Place;
use super::plan::BlockPlan;
use super::settings::Settings;
use super::style::Style;
use crate::resample::Resample;
use crate::residual::Residual;

/// A residual block, then attention if it has any.
#[derive(Debug, Clone)]
pub(super) struct Block {
    residual: Residual,
    attention: Option<Attention>,
}

impl Block {
    pub(super) fn new(
        plan: BlockPlan,
        settings: &Settings,
        style: &Style,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        let BlockPlan {
            inputs,
            outputs,
            resample,
            attends,
        } = plan;
        let law = style.law;
        let features = match style.scale_shift {
            true => 2 * outputs,
            false => outputs,
        };
        let (conv0, conv1) = (builder.pp("conv0"), builder.pp("conv1"));
        style.register(resample, &conv0)?;
        let here = builder.pp("skip");
        let changes = resample != Resample::Keep;
        style.register(resample, &here)?;
        let skip = match inputs != outputs || (changes && style.projects) {
            true => Some(law.convolution(Place::Inner, [inputs, outputs], 1, 0, &here)?),
            false => None,
        };
        let residual = Residual {
            first_norm: style.norm(inputs, &builder.pp("norm0"))?,
            first: law.convolution(Place::Inner, [inputs, outputs], 3, 0, &conv0)?,
            embedding: law.linear(settings.embedding(), features, &builder.pp("affine"))?,
            second_norm: style.norm(outputs, &builder.pp("norm1"))?,
            second: law.convolution(Place::Last, [outputs, outputs], 3, 0, &conv1)?,
            skip,
            resample,
            filter: style.filter.clone(),
            scale_shift: style.scale_shift,
            scale: style.scale,
            dropout: (settings.dropout, builder.prefix()),
        };
        let attention = match attends {
            true => Some(Attention::new(settings.heads, outputs, style, builder)?),
            false => None,
        };
        Ok(Block {
            residual,
            attention,
        })
    }

    pub(super) fn forward<V: Value>(
        &self,
        x: &V,
        embedding: &V,
        dropping: Option<Key>,
    ) -> Result<V> {
        let h = self.residual.forward(x, embedding, dropping)?;
        match &self.attention {
            Some(attention) => attention.forward(&h),
            None => Ok(h),
        }
    }

    pub(super) fn cost(&self, size: &mut [usize]) -> Cost {
        let residual = self.residual.cost(size);
        let attention = self.attention.as_ref().map(|layer| layer.cost(size));
        residual + attention.unwrap_or_default()
    }
}
