//! DDPM's simple objective (Ho, Jain and Abbeel 2020, eq. 14).

use advect_paths::Prediction;
use advect_paths::path::Affine;
use advect_paths::schedule::DiscreteDiffusion;

use super::Regression;
use crate::time_sampler::Levels;

/// Creates DDPM's simple objective, `|ε − ε_θ(x_k, k)|² / d` at a step k drawn from 1 … T, with
/// `x_k = √ᾱ_k x1 + √(1 − ᾱ_k) ε` and x0 for ε. The field gets the time `1 − k/T`.
///
/// It is [`score_matching`](super::score_matching) seen as a prediction of the noise;
/// [`VariationalBound`](super::VariationalBound) has the weights of the likelihood.
///
/// ```
/// use advect_objectives::objective::ddpm;
/// use advect_paths::schedule::DiscreteDiffusion;
/// use advect_paths::Prediction;
/// assert_eq!(ddpm(DiscreteDiffusion::default()).prediction(), Prediction::Noise);
/// ```
#[doc(alias = "L_simple")]
#[doc(alias = "noise prediction")]
#[doc(alias = "epsilon")]
pub fn ddpm(schedule: DiscreteDiffusion) -> Regression<Affine<DiscreteDiffusion>, Levels> {
    let times = Levels::of_steps(&schedule);
    Regression::new(Affine::new(schedule), Prediction::Noise).times(times)
}
