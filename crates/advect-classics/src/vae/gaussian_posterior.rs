//! The law of latent variables from an encoder (Kingma and Welling 2014, eq. 9 and appendix B).

use advect_core::{Error, Result, check, normal, shape};
use candle_core::Tensor;

/// A Gaussian with independent elements for each sample of a batch, `q(z) = N(μ, diag σ²)`, given by its mean and its
/// log-variance `ln σ²`, both `(batch, latent)`.
///
/// ```
/// use advect_classics::vae::GaussianPosterior;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let (mean, log_variance) = (Tensor::new(&[[1f64, 0.0]], &Device::Cpu)?, Tensor::new(&[[0f64, 4f64.ln()]], &Device::Cpu)?);
/// let q = GaussianPosterior::new(mean, log_variance)?;
/// let noise = Tensor::new(&[[0.5f64, -1.0]], &Device::Cpu)?;
/// assert_eq!(q.sample(&noise)?.to_vec2::<f64>()?, [[1.5, -2.0]]);
/// let kl = q.kl_divergence()?.to_vec1::<f64>()?[0];
/// assert!((kl - 0.5 - 0.5 * (3.0 - 4f64.ln())).abs() < 1e-14);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "reparameterization trick")]
#[derive(Debug, Clone)]
pub struct GaussianPosterior {
    mean: Tensor,
    log_variance: Tensor,
}

impl GaussianPosterior {
    /// Creates the law from its mean and its log-variance, both `(batch, latent)`.
    ///
    /// # Errors
    /// [`Error`] naming the one that is not that.
    pub fn new(mean: Tensor, log_variance: Tensor) -> Result<Self> {
        check::batch("mean", &mean)?;
        check::float("mean", &mean)?;
        if mean.rank() != 2 {
            return Err(Error::shape("mean", mean.dims(), "(batch, latent)"));
        }
        check::alike("log_variance", &log_variance, "mean", &mean)?;
        Ok(GaussianPosterior { mean, log_variance })
    }

    /// Returns the means, `(batch, latent)`.
    pub fn mean(&self) -> &Tensor {
        &self.mean
    }

    /// Returns the log-variances, `(batch, latent)`.
    pub fn log_variance(&self) -> &Tensor {
        &self.log_variance
    }

    /// Returns `z = μ + σ ε` for standard normal noise ε, `(batch, latent)`, differentiable by the law's parameters.
    ///
    /// # Errors
    /// [`Error`] naming noise that is not like the mean.
    #[doc(alias = "reparameterize")]
    pub fn sample(&self, noise: &Tensor) -> Result<Tensor> {
        check::alike("noise", noise, "the mean", &self.mean)?;
        Ok((&self.mean + ((&self.log_variance * 0.5)?.exp()? * noise)?)?)
    }

    /// Returns `log q(z)`, `(batch,)`.
    ///
    /// # Errors
    /// [`Error`] naming latent variables that are not like the mean.
    #[doc(alias = "log_prob")]
    pub fn log_density(&self, z: &Tensor) -> Result<Tensor> {
        check::alike("z", z, "the mean", &self.mean)?;
        let squares = ((z - &self.mean)?.sqr()? * self.log_variance.neg()?.exp()?)?;
        let sum = shape::sum_per_sample(&(squares + &self.log_variance)?)?;
        let constant = normal::log_normalizer(self.mean.dims()[1], 1.0);
        Ok(sum.affine(-0.5, constant)?)
    }

    /// Returns the divergence from the prior, `KL(q ‖ N(0, I)) = ½ Σ (μ² + σ² − 1 − ln σ²)`, `(batch,)`.
    ///
    /// # Errors
    /// Errors of candle.
    #[doc(alias = "KL")]
    pub fn kl_divergence(&self) -> Result<Tensor> {
        let each = ((self.mean.sqr()? + self.log_variance.exp()?)? - &self.log_variance)?;
        Ok((shape::sum_per_sample(&(each - 1.0)?)? * 0.5)?)
    }

    /// Returns the law with every sample repeated, `(count · batch, latent)`, all of the batch before the next repetition.
    pub(super) fn repeated(&self, count: usize) -> Result<Self> {
        Ok(GaussianPosterior {
            mean: self.mean.repeat((count, 1))?,
            log_variance: self.log_variance.repeat((count, 1))?,
        })
    }
}
