//! Changes of the size of images.

use advect_core::Result;
use advect_ops::{Value, avg_pool, upsample_nearest};

/// The change that a block makes to the size of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resample {
    Keep,
    Halve,
    Double,
}

impl Resample {
    /// Averages squares of pixels, or repeats pixels.
    pub(crate) fn apply<V: Value>(self, x: &V) -> Result<V> {
        match self {
            Resample::Keep => Ok(x.clone()),
            Resample::Halve => avg_pool(x, 2),
            Resample::Double => upsample_nearest(x, 2),
        }
    }

    /// Changes a size.
    pub(crate) fn resize(self, size: &mut [usize]) {
        for size in size {
            match self {
                Resample::Keep => {}
                Resample::Halve => *size /= 2,
                Resample::Double => *size = size.saturating_mul(2),
            }
        }
    }
}
