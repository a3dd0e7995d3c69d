//! Denoising score matching (Vincent 2011), at the noise levels of NCSN or in continuous time.

use advect_core::Result;
use advect_paths::Prediction;
use advect_paths::path::Affine;
use advect_paths::schedule::{Schedule, VarianceExploding};

use super::Regression;
use crate::distance::SquaredNorm;
use crate::time_sampler::{Levels, Uniform, UniformOverLogSnr};
use crate::weighting::{Diffusion, Importance, NoiseVariance};

/// Creates the objective of denoising score matching, with equal weights in terms of the noise:
/// `σ² |s(t, x_t) + x0/σ|² / d` (Vincent 2011, eq. 9; in continuous time, Song et al. 2021a, eq. 7), on the affine
/// path of any schedule, with x0 ~ N(0, I).
///
/// Where σ vanishes at t = 1, times should end before: see [`UniformWithin`](crate::time_sampler::UniformWithin).
///
/// ```
/// use advect_objectives::objective::score_matching;
/// use advect_objectives::time_sampler::UniformWithin;
/// use advect_paths::{Prediction, schedule::VariancePreserving};
/// # fn main() -> advect_core::Result<()> {
/// // The objective of score SDE for variance-preserving diffusions.
/// let objective = score_matching(VariancePreserving::default()).times(UniformWithin::new(0.0, 1.0 - 1e-5)?);
/// assert_eq!(objective.prediction(), Prediction::Score);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "DSM")]
#[doc(alias = "score SDE")]
#[doc(alias = "denoising score matching")]
pub fn score_matching<S: Schedule + Clone>(
    schedule: S,
) -> Regression<Affine<S>, Uniform, NoiseVariance<S>> {
    let weighting = NoiseVariance::new(schedule.clone());
    Regression::new(Affine::new(schedule), Prediction::Score).weighting(weighting)
}

/// Creates the objective of noise-conditional score networks: [`score_matching`] at `levels` geometric levels of
/// noise, from `sigma_max` to `sigma_min` (Song and Ermon 2019, eq. 6 with λ = σ²; levels as in Song and Ermon 2020).
///
/// The time of level i of L, from 0, is `i/(L − 1)`.
///
/// ```
/// use advect_objectives::objective::ncsn;
/// # fn main() -> advect_core::Result<()> {
/// let objective = ncsn(0.01, 1.0, 10)?; // the levels of Song and Ermon 2019
/// assert!(ncsn(1.0, 0.01, 10).is_err());
/// # let _ = objective;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Range`](advect_core::Error::Range) unless `0 < sigma_min < sigma_max` and there are two levels or more.
#[doc(alias = "NCSN")]
pub fn ncsn(
    sigma_min: f64,
    sigma_max: f64,
    levels: usize,
) -> Result<Regression<Affine<VarianceExploding>, Levels, NoiseVariance<VarianceExploding>>> {
    let schedule = VarianceExploding::new(sigma_min, sigma_max)?;
    Ok(score_matching(schedule).times(Levels::evenly_spaced(levels)?))
}

/// Creates the objective of score matching that bounds the likelihood (Song et al. 2021b, "ScoreFlow", eq. 8):
/// `g² |s(t, x_t) + x0/σ|²`, the squared norm, with times from `start` to `end` drawn by importance. It amounts to
/// the loss of the noise with times uniform in log-SNR.
///
/// Half of its mean, over a time of length 1, is the part of the bound of `−log p`, in nats a sample, that depends on the
/// field; the prior's divergence and the entropy of the noise are not in it.
///
/// ```
/// use advect_objectives::objective::score_flow;
/// use advect_paths::schedule::VariancePreserving;
/// # fn main() -> advect_core::Result<()> {
/// let objective = score_flow(VariancePreserving::default(), 0.0, 1.0 - 1e-5)?;
/// assert!(score_flow(VariancePreserving::default(), 0.0, 1.0).is_err()); // no noise, infinite weight
/// # let _ = objective;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`UniformOverLogSnr::new`].
#[doc(alias = "ScoreFlow")]
#[doc(alias = "likelihood weighting")]
#[allow(clippy::type_complexity)]
pub fn score_flow<S: Schedule + Clone>(
    schedule: S,
    start: f64,
    end: f64,
) -> Result<
    Regression<
        Affine<S>,
        UniformOverLogSnr<S>,
        Importance<Diffusion<S>, UniformOverLogSnr<S>>,
        SquaredNorm,
    >,
> {
    let times = UniformOverLogSnr::new(schedule.clone(), start, end)?;
    let weighting = Importance::new(Diffusion::new(schedule.clone()), times.clone());
    Ok(Regression::new(Affine::new(schedule), Prediction::Score)
        .times(times)
        .weighting(weighting)
        .distance(SquaredNorm))
}
