//! The evidence lower bound in its two terms (Kingma and Welling 2014, eq. 3).

use advect_core::Result;
use candle_core::Tensor;

/// The evidence lower bound of each sample, `log p(x) ≥ ⟨log p(x|z)⟩ − KL(q(z|x) ‖ p(z))`, in its two terms. The mean over z is one sample.
///
/// ```
/// use advect_classics::vae::EvidenceBound;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let bound = EvidenceBound {
///     reconstruction: Tensor::new(&[-3f64, -5.0], &Device::Cpu)?,
///     kl_divergence: Tensor::new(&[1f64, 3.0], &Device::Cpu)?,
/// };
/// assert_eq!(bound.value()?.to_vec1::<f64>()?, [-4.0, -8.0]);
/// assert_eq!(bound.loss(0.5)?.to_scalar::<f64>()?, 5.0);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "ELBO")]
#[doc(alias = "beta-VAE")]
#[derive(Debug, Clone)]
pub struct EvidenceBound {
    /// `log p(x|z)` at the sample of z, `(batch,)`.
    pub reconstruction: Tensor,
    /// `KL(q(z|x) ‖ p(z))`, exact, `(batch,)`.
    pub kl_divergence: Tensor,
}

impl EvidenceBound {
    /// Returns the bound, reconstruction minus divergence, `(batch,)`.
    ///
    /// # Errors
    /// Errors of candle.
    pub fn value(&self) -> Result<Tensor> {
        Ok((&self.reconstruction - &self.kl_divergence)?)
    }

    /// Returns the mean of `−log p(x|z) + β KL` over the batch, a scalar to minimise. With β = 1 it is the negative bound; another β weighs the divergence (Higgins et al.
    /// 2017, "β-VAE"), and one that rises with the step from 0 to 1 keeps latent variables from being given up early (Bowman et al. 2016, section 3.1).
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for a β that is negative or not finite.
    #[doc(alias = "KL annealing")]
    #[doc(alias = "KL warm-up")]
    pub fn loss(&self, beta: f64) -> Result<Tensor> {
        advect_core::check::non_negative("beta", beta)?;
        let loss = ((&self.kl_divergence * beta)? - &self.reconstruction)?;
        Ok(loss.mean_all()?)
    }
}
