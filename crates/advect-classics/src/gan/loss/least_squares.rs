//! Squared differences from labels (Mao et al. 2017, "Least squares generative adversarial networks", eq. 2 and 9).

use advect_core::Result;
use candle_core::Tensor;

use super::AdversarialLoss;
use crate::gan::check_outputs;

/// Least squares with the labels 1 for data and 0 for samples, `½⟨(D − 1)²⟩_data + ½⟨D²⟩_samples`, and `½⟨(D − 1)²⟩_samples` for the generator. The output D is no logit.
///
/// ```
/// use advect_classics::gan::{AdversarialLoss, LeastSquares};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let (real, fake) = (Tensor::new(&[1f64, 0.0], &Device::Cpu)?, Tensor::new(&[2f64], &Device::Cpu)?);
/// assert_eq!(LeastSquares.discriminator(&real, &fake)?.to_scalar::<f64>()?, 2.25);
/// assert_eq!(LeastSquares.generator(&fake)?.to_scalar::<f64>()?, 0.5);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "LSGAN")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeastSquares;

impl AdversarialLoss for LeastSquares {
    fn discriminator(&self, real: &Tensor, fake: &Tensor) -> Result<Tensor> {
        check_outputs("real", real)?;
        check_outputs("fake", fake)?;
        let sum = ((real - 1.0)?.sqr()?.mean_all()? + fake.sqr()?.mean_all()?)?;
        Ok((sum * 0.5)?)
    }

    fn generator(&self, fake: &Tensor) -> Result<Tensor> {
        check_outputs("fake", fake)?;
        Ok(((fake - 1.0)?.sqr()?.mean_all()? * 0.5)?)
    }
}
