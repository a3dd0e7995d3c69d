//! The settings of all layers of a network.

use advect_core::Result;
use advect_nn::{GroupNorm, ResamplingFilter, constant};
use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::law::Law;
use super::plan::groups;
use crate::resample::Resample;

/// The settings of all layers of a network.
#[derive(Debug, Clone)]
pub(super) struct Style {
    pub(super) law: Law,
    pub(super) filter: ResamplingFilter,
    /// The filter as it is in the state.
    plane: Tensor,
    /// The number that is added to variances.
    epsilon: f64,
    /// The factor of sums of a value and a branch.
    pub(super) scale: f64,
    /// Whether noise and class scale and shift the normalised features, in place of being added to them.
    pub(super) scale_shift: bool,
    /// Whether blocks that change the size of images project what goes past them, too.
    pub(super) projects: bool,
}

impl Style {
    /// The style of Song's networks, with the taps of a filter.
    pub(super) fn song(taps: &[f64], builder: &VarBuilder<'_>) -> Result<Self> {
        let filter = ResamplingFilter::new(taps, builder.dtype(), builder.device())?;
        Ok(Style {
            law: Law::Song,
            plane: filter.plane()?,
            filter,
            epsilon: 1e-6,
            scale: 0.5f64.sqrt(),
            scale_shift: false,
            projects: true,
        })
    }

    /// The style of Dhariwal's.
    pub(super) fn dhariwal() -> Result<Self> {
        let filter = ResamplingFilter::mean();
        Ok(Style {
            law: Law::Dhariwal,
            plane: filter.plane()?,
            filter,
            epsilon: 1e-5,
            scale: 1.0,
            scale_shift: true,
            projects: false,
        })
    }

    pub(super) fn norm(&self, channels: usize, builder: &VarBuilder<'_>) -> Result<GroupNorm> {
        GroupNorm::new(groups(channels)?, channels, builder)?.epsilon(self.epsilon)
    }

    /// Adds the filter to the state of a layer that resamples.
    pub(super) fn register(&self, resample: Resample, builder: &VarBuilder<'_>) -> Result<()> {
        match resample {
            Resample::Keep => Ok(()),
            _ => constant(&self.plane, "resample_filter", builder),
        }
    }
}
