//! The variance of the noise (Song and Ermon 2019, eq. 6; Song et al. 2021a, eq. 7).

use advect_paths::schedule::Schedule;

use super::Weighting;

/// The weighting `w(t) = σ(t)²`, which makes a loss of the score one of the noise.
///
/// ```
/// use advect_objectives::weighting::{NoiseVariance, Weighting};
/// use advect_paths::schedule::CondOt;
/// assert_eq!(NoiseVariance::new(CondOt::default()).weight(0.5), 0.25);
/// ```
#[doc(alias = "NCSN")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoiseVariance<S> {
    schedule: S,
}

impl<S: Schedule> NoiseVariance<S> {
    /// Creates the weighting of a schedule.
    pub fn new(schedule: S) -> Self {
        NoiseVariance { schedule }
    }
}

impl<S: Schedule> Weighting for NoiseVariance<S> {
    fn weight(&self, t: f64) -> f64 {
        self.schedule.sigma(t).powi(2)
    }
}
