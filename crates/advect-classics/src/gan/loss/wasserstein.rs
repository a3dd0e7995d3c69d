//! The dual of the Wasserstein distance (Arjovsky, Chintala and Bottou 2017, "Wasserstein generative adversarial networks", eq. 2).

use advect_core::Result;
use candle_core::Tensor;

use super::AdversarialLoss;
use crate::gan::check_outputs;

/// The difference of means, `⟨D⟩_samples − ⟨D⟩_data` for the discriminator, called a critic here, and `−⟨D⟩_samples` for the generator. Over critics of slope at most 1 the least
/// loss is −W₁: add [`gradient_penalty`](crate::gan::gradient_penalty), or make the critic of [`SpectralLinear`](crate::gan::SpectralLinear).
///
/// ```
/// use advect_classics::gan::{AdversarialLoss, Wasserstein};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let (real, fake) = (Tensor::new(&[1f64, 3.0], &Device::Cpu)?, Tensor::new(&[0.5f64], &Device::Cpu)?);
/// assert_eq!(Wasserstein.discriminator(&real, &fake)?.to_scalar::<f64>()?, -1.5);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "WGAN")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wasserstein;

impl AdversarialLoss for Wasserstein {
    fn discriminator(&self, real: &Tensor, fake: &Tensor) -> Result<Tensor> {
        check_outputs("real", real)?;
        check_outputs("fake", fake)?;
        Ok((fake.mean_all()? - real.mean_all()?)?)
    }

    fn generator(&self, fake: &Tensor) -> Result<Tensor> {
        check_outputs("fake", fake)?;
        Ok(fake.mean_all()?.neg()?)
    }
}
