//! Means and variances for normalisations.

use candle_core::{CudaDevice, DType, Result};

use super::Fresh;
use super::source::wide;

/// The definitions for kernels.
pub(super) const SOURCE: &str = include_str!("moments.cu");

/// Memory for the moments of rows or groups: three numbers each.
pub(super) fn fresh(device: &CudaDevice, dtype: DType, count: usize) -> Result<Fresh> {
    Fresh::new(device, wide(dtype), (count, 3))
}
