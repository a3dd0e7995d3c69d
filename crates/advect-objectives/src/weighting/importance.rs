//! Weights for times that are not uniform.

use super::Weighting;
use crate::time_sampler::TimeDensity;

/// The weighting `w(t)/p(t)` for times drawn from the density p: the objective is the one of weighting w and uniform
/// times, with another variance (Song et al. 2021b, section 5.1).
///
/// ```
/// use advect_objectives::time_sampler::LogitNormal;
/// use advect_objectives::weighting::{Importance, Unweighted, Weighting};
/// # fn main() -> advect_core::Result<()> {
/// let times = LogitNormal::new(0.0, 1.0)?;
/// // p(½) = φ(0) / (½ · ½)
/// let density = 4.0 / (2.0 * std::f64::consts::PI).sqrt();
/// assert!((Importance::new(Unweighted, times).weight(0.5) - 1.0 / density).abs() < 1e-14);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "importance sampling")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Importance<W, T> {
    weighting: W,
    times: T,
}

impl<W: Weighting, T: TimeDensity> Importance<W, T> {
    /// Creates a weighting from the one for uniform times and the law of the times that are drawn.
    pub fn new(weighting: W, times: T) -> Self {
        Importance { weighting, times }
    }
}

impl<W: Weighting, T: TimeDensity> Weighting for Importance<W, T> {
    fn weight(&self, t: f64) -> f64 {
        self.weighting.weight(t) / self.times.density(t)
    }
}
