//! Changes of the size of images.

use advect_core::Result;
use advect_nn::ResamplingFilter;
use advect_ops::Value;

/// The change that a block makes to the size of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resample {
    Keep,
    Halve,
    Double,
}

impl Resample {
    /// Changes the size of a value by a filter.
    pub(crate) fn apply<V: Value>(self, filter: &ResamplingFilter, x: &V) -> Result<V> {
        match self {
            Resample::Keep => Ok(x.clone()),
            Resample::Halve => filter.halve(x),
            Resample::Double => filter.double(x),
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
