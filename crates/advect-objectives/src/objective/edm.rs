//! EDM's objective (Karras et al. 2022, eq. 8 and table 1).

use advect_core::Result;
use advect_paths::Prediction;
use advect_paths::path::Affine;
use advect_paths::schedule::EdmSchedule;

use super::Regression;
use crate::time_sampler::LogNormalNoise;
use crate::weighting::EdmWeight;

/// Creates EDM's objective, `w(σ) |D(x1 + σ x0, σ) − x1|² / d` with `ln σ ~ N(−1.2, 1.2²)` and [`EdmWeight`], for
/// data of standard deviation `sigma_data`. The field is a denoiser: a network under
/// [`EdmPreconditioner`](advect_paths::preconditioner::EdmPreconditioner).
///
/// ```
/// use advect_core::{Generator, Time, field_fn};
/// use advect_objectives::objective::{Objective, edm};
/// use advect_paths::preconditioner::{EdmPreconditioner, Preconditioned};
/// use advect_paths::schedule::EdmSchedule;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let mut rng = Generator::from_seed(0);
/// let x1 = (rng.normal((4000, 1), DType::F64, &Device::Cpu)? * 0.5)?;
/// let network = field_fn(|_, x| Ok(x.zeros_like()?));
/// let (schedule, preconditioner) = (EdmSchedule::default(), EdmPreconditioner::new(0.5)?);
/// let denoiser = Preconditioned::new(&network, &preconditioner, &schedule);
/// let loss = edm(schedule, 0.5)?.loss(&denoiser, &rng.normal_like(&x1)?, &x1, &mut rng)?;
/// // A network that has learned nothing has the loss 1 at every level.
/// assert!((loss.to_scalar::<f64>()? - 1.0).abs() < 0.1);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Range`](advect_core::Error::Range) for a `sigma_data` that is not above 0, or a schedule whose levels are not
/// the errors of the law.
#[doc(alias = "Karras")]
#[doc(alias = "EDM")]
pub fn edm(
    schedule: EdmSchedule,
    sigma_data: f64,
) -> Result<Regression<Affine<EdmSchedule>, LogNormalNoise<EdmSchedule>, EdmWeight<EdmSchedule>>> {
    Ok(Regression::new(Affine::new(schedule), Prediction::Data)
        .times(LogNormalNoise::new(schedule, -1.2, 1.2)?)
        .weighting(EdmWeight::new(schedule, sigma_data)?))
}
