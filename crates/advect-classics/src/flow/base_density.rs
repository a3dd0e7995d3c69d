//! Densities of noise.

use advect_core::{Generator, Result, check, forward_to, normal};
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

/// The normal density with mean 0 and one deviation for all elements, N(0, σ² I).
///
/// A flow that is fitted to an unnormalised density learns faster from noise that is about as wide as that density.
///
/// ```
/// use advect_classics::flow::{BaseDensity, Normal};
/// use advect_core::Generator;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let normal = Normal::new(0.5)?;
/// let density = normal.log_density(&Tensor::new(&[[0f64, 0.5]], &Device::Cpu)?)?;
/// // −1/2 − ln(2π) − 2 ln σ.
/// let expected = -0.5 - (2.0 * std::f64::consts::PI).ln() + 2.0 * 2f64.ln();
/// assert!((density.to_vec1::<f64>()?[0] - expected).abs() < 1e-14);
/// let samples = normal.sample(&[1000], DType::F64, &Device::Cpu, &mut Generator::from_seed(0))?;
/// assert!((samples.sqr()?.mean_all()?.to_scalar::<f64>()? - 0.25).abs() < 0.03);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normal {
    deviation: f64,
}

impl Normal {
    /// Creates the density with a deviation σ.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless the deviation is above 0.
    pub fn new(deviation: f64) -> Result<Self> {
        let deviation = check::positive("deviation", deviation)?;
        Ok(Normal { deviation })
    }
}

impl BaseDensity for Normal {
    fn log_density(&self, x: &Tensor) -> Result<Tensor> {
        normal::log_normal(x, self.deviation * self.deviation)
    }

    fn sample(
        &self,
        dims: &[usize],
        dtype: DType,
        device: &Device,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        Ok((rng.normal(dims, dtype, device)? * self.deviation)?)
    }
}
