//! The original loss (Goodfellow et al. 2014, eq. 1 and section 3).

use advect_core::Result;
use advect_ops::Activation;
use candle_core::Tensor;

use super::AdversarialLoss;
use crate::gan::check_outputs;

/// The original value, `⟨ln D⟩_data + ⟨ln(1 − D)⟩_samples` with `D = σ(output)`, which the discriminator raises: its loss is the negative. The generator descends `−⟨ln D⟩`, whose
/// gradient does not vanish where samples are easy to recognise.
///
/// The best D is `p/(p + q)`, so that the output is `ln p/q`, and the value then is −ln 4 plus twice the Jensen–Shannon divergence.
///
/// ```
/// use advect_classics::gan::{AdversarialLoss, NonSaturating};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let undecided = Tensor::new(&[0f64, 0.0], &Device::Cpu)?;
/// let loss = NonSaturating.discriminator(&undecided, &undecided)?.to_scalar::<f64>()?;
/// assert!((loss - 4f64.ln()).abs() < 1e-14);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "GAN")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NonSaturating;

impl AdversarialLoss for NonSaturating {
    fn discriminator(&self, real: &Tensor, fake: &Tensor) -> Result<Tensor> {
        check_outputs("real", real)?;
        check_outputs("fake", fake)?;
        let made = Activation::Softplus.apply(fake)?.mean_all()?;
        Ok((Activation::Softplus.apply(&real.neg()?)?.mean_all()? + made)?)
    }

    fn generator(&self, fake: &Tensor) -> Result<Tensor> {
        check_outputs("fake", fake)?;
        Ok(Activation::Softplus.apply(&fake.neg()?)?.mean_all()?)
    }
}
