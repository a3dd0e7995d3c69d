//! Variational autoencoders of an encoder, a decoder and a likelihood.

use advect_core::{Error, Generator, Result, check, normal, shape};
use candle_core::{DType, Device, Tensor};

use super::likelihood::like_data;
use super::{EvidenceBound, GaussianPosterior, Likelihood};

/// A model `p(x) = ∫ p(x|z) N(z; 0, I) dz` of data of any shape, with latent variables z, `(batch, latent)`, and the law `q(z|x)` that stands in for the posterior.
///
/// The encoder is a closure from data to `(batch, 2 · latent)`, the means of q and then its log-variances; the decoder one from z to as many numbers as the data have. Noise
/// comes from the caller, so that a bound is a function that can be differentiated.
///
/// ```
/// use advect_classics::vae::{GaussianLikelihood, VariationalAutoencoder};
/// use advect_core::{Generator, Result, shape};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> Result<()> {
/// // x = z + noise of variance 1, and so z given x is N(x/2, 1/2), and p(x) = N(0, 2).
/// let encoder = |x: &Tensor| Ok(Tensor::cat(&[&(x * 0.5)?, &x.affine(0.0, 0.5f64.ln())?], 1)?);
/// let vae = VariationalAutoencoder::new(1, encoder, |z: &Tensor| Ok(z.clone()), GaussianLikelihood::fixed(1.0)?)?;
/// let x = Tensor::new(&[[1.5f64]], &Device::Cpu)?;
/// let noise = Generator::from_seed(0).normal((4, 1, 1), DType::F64, &Device::Cpu)?;
/// let bound = vae.importance_bound(&x, &noise)?.to_vec1::<f64>()?[0];
/// let exact = -0.25 * 1.5f64.powi(2) - 0.5 * (4.0 * std::f64::consts::PI).ln();
/// assert!((bound - exact).abs() < 1e-14); // as q is the posterior
/// # Ok(())
/// # }
/// ```
#[doc(alias = "VAE")]
#[derive(Debug, Clone)]
pub struct VariationalAutoencoder<E, D, L> {
    encoder: E,
    decoder: D,
    likelihood: L,
    latent: usize,
}

impl<E, D, L> VariationalAutoencoder<E, D, L>
where
    E: Fn(&Tensor) -> Result<Tensor>,
    D: Fn(&Tensor) -> Result<Tensor>,
    L: Likelihood,
{
    /// Creates the model of `latent` latent variables.
    ///
    /// # Errors
    /// [`Error::Range`] for 0 latent variables.
    pub fn new(latent: usize, encoder: E, decoder: D, likelihood: L) -> Result<Self> {
        check::at_least_one("latent", latent)?;
        Ok(VariationalAutoencoder {
            encoder,
            decoder,
            likelihood,
            latent,
        })
    }

    /// Returns the law of data given the decoder's output.
    pub fn likelihood(&self) -> &L {
        &self.likelihood
    }

    /// Returns `q(z|x)` of each sample.
    ///
    /// # Errors
    /// The encoder's errors, and [`Error::Shape`] naming it for an output that is not `(batch, 2 · latent)`.
    #[doc(alias = "encode")]
    pub fn posterior(&self, x: &Tensor) -> Result<GaussianPosterior> {
        let batch = check::batch("x", x)?;
        let output = (self.encoder)(x)?;
        if output.dims() != [batch, 2 * self.latent] {
            let accepted = format!("({batch}, {}), means and log-variances", 2 * self.latent);
            return Err(Error::shape("encoder", output.dims(), accepted));
        }
        let part = |k: usize| output.narrow(1, k * self.latent, self.latent);
        GaussianPosterior::new(part(0)?, part(1)?)
    }

    /// Draws standard normal noise for the latent variables of a batch, `(batch, latent)`.
    ///
    /// # Errors
    /// [`Error::Empty`] without samples, [`Error::DType`] unless they are floats.
    pub fn noise(&self, x: &Tensor, rng: &mut Generator) -> Result<Tensor> {
        let batch = check::batch("x", x)?;
        rng.normal((batch, self.latent), x.dtype(), x.device())
    }

    /// Returns the evidence lower bound of each sample, at the latent variables that follow from the noise,
    /// `(batch, latent)`.
    ///
    /// # Errors
    /// As [`VariationalAutoencoder::posterior`]; [`Error`] naming noise that does not fit; the decoder's errors, and [`Error::Shape`] naming it for an output that has not as
    /// many numbers as the data; the likelihood's.
    #[doc(alias = "ELBO")]
    pub fn evidence_bound(&self, x: &Tensor, noise: &Tensor) -> Result<EvidenceBound> {
        let posterior = self.posterior(x)?;
        let z = posterior.sample(noise)?;
        Ok(EvidenceBound {
            reconstruction: self.conditional(x, &z)?,
            kl_divergence: posterior.kl_divergence()?,
        })
    }

    /// Returns the importance-weighted bound of each sample, `ln (1/k) Σ w` with `w = p(x|z) p(z)/q(z|x)` for k latent variables, `(batch,)`, of noise `(k, batch, latent)`
    /// (Burda, Grosse and Salakhutdinov 2016, eq. 8). Its mean over noise rises with k to `log p(x)`; for k = 1 it is that of the evidence lower bound.
    ///
    /// # Errors
    /// As [`VariationalAutoencoder::evidence_bound`].
    #[doc(alias = "IWAE")]
    pub fn importance_bound(&self, x: &Tensor, noise: &Tensor) -> Result<Tensor> {
        let weights = self.log_weights(x, noise)?;
        let largest = weights.detach().max_keepdim(0)?;
        let sum = weights.broadcast_sub(&largest)?.exp()?.mean(0)?.log()?;
        Ok((sum + largest.squeeze(0)?)?)
    }

    /// Returns the logarithms of the importance weights, `ln p(x|z) + ln p(z) − ln q(z|x)`, `(k, batch)`, of noise `(k, batch, latent)`: those of one sample make
    /// [`ImportanceWeights`](crate::ImportanceWeights), which estimate `log p(x)` with an error.
    ///
    /// # Errors
    /// As [`VariationalAutoencoder::evidence_bound`].
    pub fn log_weights(&self, x: &Tensor, noise: &Tensor) -> Result<Tensor> {
        let batch = check::batch("x", x)?;
        let count = match noise.dims() {
            &[count, b, latent] if count > 0 && (b, latent) == (batch, self.latent) => count,
            dims => {
                let accepted = format!("(k, {batch}, {})", self.latent);
                return Err(Error::shape("noise", dims, accepted));
            }
        };
        let posterior = self.posterior(x)?.repeated(count)?;
        let z = posterior.sample(&noise.flatten_to(1)?)?;
        let mut times = vec![1; x.rank()];
        times[0] = count;
        let joint = (self.conditional(&x.repeat(times)?, &z)? + normal::log_standard_normal(&z)?)?;
        let weights = (joint - posterior.log_density(&z)?)?;
        Ok(weights.reshape((count, batch))?)
    }

    /// Returns the expected data of latent variables, `(batch, latent)`, in the decoder's shape.
    ///
    /// # Errors
    /// The decoder's errors.
    pub fn decode(&self, z: &Tensor) -> Result<Tensor> {
        self.likelihood.mean(&(self.decoder)(z)?)
    }

    /// Draws data: latent variables from the prior, and data from their law, in the decoder's shape.
    ///
    /// # Errors
    /// [`Error::Range`] for 0 samples; the decoder's errors.
    pub fn sample(
        &self,
        count: usize,
        dtype: DType,
        device: &Device,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        check::at_least_one("count", count)?;
        let z = rng.normal((count, self.latent), dtype, device)?;
        self.likelihood.sample(&(self.decoder)(&z)?, rng)
    }

    /// `log p(x|z)`.
    fn conditional(&self, x: &Tensor, z: &Tensor) -> Result<Tensor> {
        let output = like_data(&(self.decoder)(z)?, x)?;
        let value = self.likelihood.log_likelihood(x, &output)?;
        shape::cast(&value, shape::wide(z)?.dtype())
    }
}
