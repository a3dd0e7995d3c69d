//! A fixed bound (Ho et al. 2020; Saharia et al., Photorealistic text-to-image diffusion models, 2022, section 2.3).

use advect_core::{Result, check};
use candle_core::Tensor;

use super::Threshold;

/// A static threshold: each element is clamped to \[−c, c\].
#[doc(alias = "clip_denoised")]
#[doc(alias = "clip_sample")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StaticThreshold {
    limit: f64,
}

impl StaticThreshold {
    /// Creates a threshold with a limit c: 1 for images from −1 to 1.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless it is above 0.
    pub fn new(limit: f64) -> Result<Self> {
        Ok(StaticThreshold {
            limit: check::positive("limit", limit)?,
        })
    }
}

impl Threshold for StaticThreshold {
    fn apply(&self, data: &Tensor) -> Result<Tensor> {
        check::float("data", data)?;
        Ok(data.clamp(-self.limit, self.limit)?)
    }
}
