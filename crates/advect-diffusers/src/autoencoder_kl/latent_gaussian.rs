//! The law of latents given an image.

use advect_core::{Error, Generator, Result, check, shape};
use candle_core::Tensor;

/// The law of the latents z of a batch of images x, `q(z | x) = N(μ, diag σ²)` (Kingma and Welling 2014, section 3);
/// [`AutoencoderKl::encode`](crate::AutoencoderKl::encode) returns it.
///
/// ```
/// use advect_core::Generator;
/// use advect_diffusers::LatentGaussian;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // One latent channel: a mean of 3, and a logarithm of the variance of ln 4.
/// let moments = Tensor::new(&[[[[3f64]], [[4f64.ln()]]]], &Device::Cpu)?;
/// let law = LatentGaussian::new(&moments)?;
/// assert_eq!(law.mode().flatten_all()?.to_vec1::<f64>()?, [3.0]);
/// let noise = Generator::from_seed(0).normal((1, 1, 1, 1), DType::F64, &Device::Cpu)?;
/// let z = law.sample(&mut Generator::from_seed(0))?;
/// let expected = ((noise * 2.0)? + 3.0)?;
/// assert!(((z - expected)?.flatten_all()?.to_vec1::<f64>()?[0]).abs() < 1e-12);
/// // ½ (μ² + σ² − 1 − ln σ²)
/// let divergence = law.kl_divergence()?.to_vec1::<f64>()?[0];
/// assert!((divergence - 0.5 * (9.0 + 4.0 - 1.0 - 4f64.ln())).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "DiagonalGaussianDistribution")]
#[doc(alias = "latent_dist")]
#[derive(Debug, Clone)]
pub struct LatentGaussian {
    mean: Tensor,
    log_variance: Tensor,
}

impl LatentGaussian {
    /// Creates the law from moments `(batch, 2 channels, height, width)`: means, then logarithms of variances, which are
    /// first clamped to [−30, 20], as in diffusers.
    ///
    /// # Errors
    /// [`Error::Shape`] unless the channels are even in number, [`Error::DType`] unless moments are floats.
    pub fn new(moments: &Tensor) -> Result<Self> {
        check::float("moments", moments)?;
        let channels = match *moments.dims() {
            [_, channels, _, _] if channels > 0 && channels.is_multiple_of(2) => channels / 2,
            _ => {
                let accepted = "(batch, an even number of channels, height, width)";
                return Err(Error::shape("moments", moments.dims(), accepted));
            }
        };
        let log_variance = moments.narrow(1, channels, channels)?;
        Ok(LatentGaussian {
            mean: moments.narrow(1, 0, channels)?,
            log_variance: log_variance.clamp(-30f64, 20f64)?,
        })
    }

    /// Returns the mean μ, `(batch, channels, height, width)`.
    pub fn mean(&self) -> &Tensor {
        &self.mean
    }

    /// Returns `ln σ²`, shaped like the mean.
    pub fn log_variance(&self) -> &Tensor {
        &self.log_variance
    }

    /// Returns the most likely latents: the mean.
    pub fn mode(&self) -> &Tensor {
        &self.mean
    }

    /// Draws latents: `μ + σ z`, with gradients for μ and σ.
    ///
    /// # Errors
    /// Errors of candle.
    #[doc(alias = "reparametrization")]
    pub fn sample(&self, rng: &mut Generator) -> Result<Tensor> {
        let mean = &self.mean;
        let noise = rng.normal(mean.dims(), mean.dtype(), mean.device())?;
        let deviation = (&self.log_variance * 0.5)?.exp()?;
        Ok((mean + (deviation * noise)?)?)
    }

    /// Returns the Kullback–Leibler divergence from the standard normal law, of each image: `½ Σ (μ² + σ² − 1 − ln σ²)`,
    /// `(batch,)`. Of moments of 16 bits it is in f32.
    ///
    /// # Errors
    /// Errors of candle.
    #[doc(alias = "KL")]
    pub fn kl_divergence(&self) -> Result<Tensor> {
        let (mean, log_variance) = (shape::wide(&self.mean)?, shape::wide(&self.log_variance)?);
        let terms = (((mean.sqr()? + log_variance.exp()?)? - 1.0)? - log_variance)?;
        Ok((terms.flatten_from(1)?.sum(1)? * 0.5)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};

    /// Means of 1 and variances of 1: a half for each latent.
    #[test]
    fn divergences_of_16_bits_are_summed_in_32() {
        for dtype in [DType::BF16, DType::F16, DType::F32, DType::F64] {
            let part = |value: f64| {
                (Tensor::ones((2, 4, 64, 64), dtype, &Device::Cpu).unwrap() * value).unwrap()
            };
            let moments = Tensor::cat(&[part(1.0), part(0.0)], 1).unwrap();
            let divergence = LatentGaussian::new(&moments)
                .unwrap()
                .kl_divergence()
                .unwrap();
            let wide = if dtype == DType::F64 {
                dtype
            } else {
                DType::F32
            };
            assert_eq!((divergence.dims(), divergence.dtype()), (&[2][..], wide));
            let values = divergence
                .to_dtype(DType::F64)
                .unwrap()
                .to_vec1::<f64>()
                .unwrap();
            assert_eq!(values, [8192.0; 2], "{dtype:?}");
        }
    }
}
