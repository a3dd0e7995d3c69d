//! Densities of noise.

use advect_core::{Generator, Result, forward_to, normal};
use candle_core::{DType, Device, Tensor};

/// A law of noise with a known density.
pub trait BaseDensity {
    /// Returns the log-density of each sample, `(batch,)`.
    ///
    /// # Errors
    /// Typed errors for samples that are no batch of floats.
    fn log_density(&self, x: &Tensor) -> Result<Tensor>;

    /// Draws samples of a shape, `(batch, ...)`.
    ///
    /// # Errors
    /// Errors of the generator.
    fn sample(
        &self,
        dims: &[usize],
        dtype: DType,
        device: &Device,
        rng: &mut Generator,
    ) -> Result<Tensor>;
}

forward_to!([] BaseDensity {
    fn log_density(&self, x: &Tensor) -> Result<Tensor>;
    fn sample(&self, dims: &[usize], dtype: DType, device: &Device, rng: &mut Generator) -> Result<Tensor>;
});

/// The standard normal density, N(0, I).
///
/// ```
/// use advect_classics::flow::{BaseDensity, StandardNormal};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let density = StandardNormal.log_density(&Tensor::new(&[[0f64, 0.0]], &Device::Cpu)?)?;
/// assert!((density.to_vec1::<f64>()?[0] + (2.0 * std::f64::consts::PI).ln()).abs() < 1e-14);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StandardNormal;

impl BaseDensity for StandardNormal {
    fn log_density(&self, x: &Tensor) -> Result<Tensor> {
        normal::log_standard_normal(x)
    }

    fn sample(
        &self,
        dims: &[usize],
        dtype: DType,
        device: &Device,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        rng.normal(dims, dtype, device)
    }
}
