//! The objectives of stochastic interpolants (Albergo, Boffi and Vanden-Eijnden 2023, theorems 2.7 and 2.8).

use advect_paths::Prediction;
use advect_paths::path::Path;

use super::Regression;
use crate::distance::Quadratic;
use crate::time_sampler::Uniform;
use crate::weighting::Unweighted;

/// Creates the loss of an interpolant's velocity, `½ |b|² − (∂_t I + γ' z)·b`.
///
/// Where γ' is infinite at an end, so is its variance: take times away from there
/// ([`UniformWithin`](crate::time_sampler::UniformWithin)), or a smoother γ.
///
/// ```
/// use advect_core::{Generator, Time, field_fn};
/// use advect_objectives::objective::{Objective, interpolant_velocity};
/// use advect_paths::path::{Interpolant, gamma::Parabola};
/// use advect_paths::schedule::CondOt;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let mut rng = Generator::from_seed(0);
/// let x0 = rng.normal((4000, 1), DType::F64, &Device::Cpu)?;
/// let x1 = (&x0 + 2.0)?;
/// let objective = interpolant_velocity(Interpolant::new(CondOt::default(), Parabola));
/// // At the minimiser, here nearly 2, the loss is −½ E|b|².
/// let field = field_fn(|_, x| Ok(x.affine(0.0, 2.0)?));
/// let loss = objective.loss(&field, &x0, &x1, &mut rng)?.to_scalar::<f64>()?;
/// assert!((loss + 2.0).abs() < 0.1);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "stochastic interpolant")]
pub fn interpolant_velocity<P: Path>(path: P) -> Regression<P, Uniform, Unweighted, Quadratic> {
    Regression::new(path, Prediction::Velocity).distance(Quadratic)
}

/// Creates the loss of an interpolant's denoiser, `½ |η|² − z·η`, for the noise `η = E[z | x_t]`. The score is `−η/γ`.
///
/// ```
/// use advect_objectives::objective::interpolant_denoiser;
/// use advect_paths::Prediction;
/// use advect_paths::path::{Interpolant, gamma::Parabola};
/// use advect_paths::schedule::Cosine;
/// let objective = interpolant_denoiser(Interpolant::new(Cosine, Parabola));
/// assert_eq!(objective.prediction(), Prediction::Noise);
/// ```
#[doc(alias = "stochastic interpolant")]
pub fn interpolant_denoiser<P: Path>(path: P) -> Regression<P, Uniform, Unweighted, Quadratic> {
    Regression::new(path, Prediction::Noise).distance(Quadratic)
}
