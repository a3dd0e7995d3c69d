//! The weighting of the likelihood (Song et al. 2021b, "ScoreFlow", eq. 8 and theorem 1).

use advect_paths::schedule::Schedule;

use super::Weighting;

/// The weighting `w(t) = g(t)²` of the likelihood. Half the squared norm of the score's error with this weight bounds
/// the negative log-likelihood of samples of the reverse diffusion up to a constant.
///
/// ```
/// use advect_objectives::weighting::{Diffusion, Weighting};
/// use advect_paths::schedule::VariancePreserving;
/// let weighting = Diffusion::new(VariancePreserving::default());
/// assert!((weighting.weight(1.0) - 0.1).abs() < 1e-15 && (weighting.weight(0.0) - 20.0).abs() < 1e-14);
/// ```
#[doc(alias = "ScoreFlow")]
#[doc(alias = "likelihood weighting")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Diffusion<S> {
    schedule: S,
}

impl<S: Schedule> Diffusion<S> {
    /// Creates the weighting of a schedule.
    pub fn new(schedule: S) -> Self {
        Diffusion { schedule }
    }
}

impl<S: Schedule> Weighting for Diffusion<S> {
    fn weight(&self, t: f64) -> f64 {
        self.schedule.diffusion_squared(t)
    }
}
