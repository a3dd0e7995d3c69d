//! The objective of Stable Diffusion 3 (Esser et al. 2024, section 3.1).

use advect_paths::path::Affine;
use advect_paths::schedule::CondOt;

use super::{Regression, rectified_flow};
use crate::time_sampler::LogitNormal;

/// Creates the objective of Stable Diffusion 3: [`rectified_flow`] with logit-normal times of mean 0 and standard
/// deviation 1, the best of the paper. [`Mode`](crate::time_sampler::Mode) and
/// [`CosMap`](crate::time_sampler::CosMap) are its other densities.
///
/// ```
/// use advect_objectives::objective::{rectified_flow, stable_diffusion_3};
/// use advect_objectives::time_sampler::LogitNormal;
/// assert_eq!(stable_diffusion_3(), rectified_flow().times(LogitNormal::default()));
/// ```
#[doc(alias = "SD3")]
#[doc(alias = "logit-normal")]
pub fn stable_diffusion_3() -> Regression<Affine<CondOt>, LogitNormal> {
    rectified_flow().times(LogitNormal::default())
}
