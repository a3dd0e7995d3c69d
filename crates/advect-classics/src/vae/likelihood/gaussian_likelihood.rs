//! The likelihood of real-valued data.

use advect_core::{Error, Generator, Result, check, normal, shape};
use advect_nn::Builder;
use candle_core::{DType, Device, Tensor};
use candle_nn::Init;

use super::{Likelihood, check_output};

/// The law `N(x; μ, σ² I)` whose mean μ is the output, with one variance for all elements: learned by its logarithm like any parameter (the shared σ of the σ-VAE, Rybkin,
/// Daniilidis and Levine 2021, "Simple and effective VAE training with calibrated decoders", section 4.1), or given.
///
/// A learned variance weighs reconstruction against divergence as the data do; a given one is a choice of this weight.
///
/// ```
/// use advect_classics::vae::{GaussianLikelihood, Likelihood};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let (x, mean) = (Tensor::new(&[[3f64]], &Device::Cpu)?, Tensor::new(&[[1f64]], &Device::Cpu)?);
/// let log_likelihood = GaussianLikelihood::fixed(4.0)?.log_likelihood(&x, &mean)?.to_vec1::<f64>()?;
/// assert!((log_likelihood[0] + 0.5 + 0.5 * (8.0 * std::f64::consts::PI).ln()).abs() < 1e-14);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "sigma-VAE")]
#[derive(Debug, Clone)]
pub struct GaussianLikelihood {
    log_variance: Tensor,
}

impl GaussianLikelihood {
    /// Creates the law with a learned variance, 1 at first. Its parameter is called `log_variance`, `(1,)`.
    ///
    /// # Errors
    /// Errors of the builder.
    pub fn learned(builder: &Builder) -> Result<Self> {
        let log_variance = builder.get_with_hints(1, "log_variance", Init::Const(0.0))?;
        Ok(GaussianLikelihood { log_variance })
    }

    /// Creates the law with a given variance.
    ///
    /// # Errors
    /// [`Error::Range`] unless it is finite and above 0.
    pub fn fixed(variance: f64) -> Result<Self> {
        let log_variance = check::positive("variance", variance)?.ln();
        let log_variance = Tensor::from_vec(vec![log_variance], 1, &Device::Cpu)?;
        Ok(GaussianLikelihood { log_variance })
    }

    /// Returns the variance.
    ///
    /// # Errors
    /// Errors of candle.
    pub fn variance(&self) -> Result<f64> {
        let logarithm = shape::cast(&self.log_variance.detach(), DType::F64)?;
        Ok(logarithm.to_vec1::<f64>()?.into_iter().sum::<f64>().exp())
    }

    /// The log-variance as a tensor of the kind of another.
    fn log_variance(&self, like: &Tensor) -> Result<Tensor> {
        let here = self.log_variance.to_device(like.device())?;
        shape::cast(&here, like.dtype())
    }
}

impl Likelihood for GaussianLikelihood {
    fn log_likelihood(&self, x: &Tensor, output: &Tensor) -> Result<Tensor> {
        check_output(x, output)?;
        let squares = shape::sum_squares_per_sample(&(x - output)?)?;
        let log_variance = self.log_variance(&squares)?;
        let numbers = x.elem_count() / x.dims()[0];
        let scaled = squares.broadcast_mul(&log_variance.neg()?.exp()?)?;
        let sum = scaled.broadcast_add(&(log_variance * numbers as f64)?)?;
        Ok(sum.affine(-0.5, normal::log_normalizer(numbers, 1.0))?)
    }

    fn mean(&self, output: &Tensor) -> Result<Tensor> {
        Ok(output.clone())
    }

    fn sample(&self, output: &Tensor, rng: &mut Generator) -> Result<Tensor> {
        let deviation = (self.log_variance(output)? * 0.5)?.exp()?;
        let noise = rng.normal_like(output)?.broadcast_mul(&deviation)?;
        Ok::<_, Error>((output + noise)?.detach())
    }
}
