//! A schedule from a γ.

use super::Gamma;
use crate::schedule::Schedule;

/// The schedule `α = 1`, `σ = γ` of a γ: the factors of a state `x = I + γ z` around its interpolant, as samplers that follow it have to know
/// them.
///
/// As γ may rise and fall, the signal-to-noise ratio does too, and has no inverse.
///
/// ```
/// use advect_paths::path::gamma::{GammaSchedule, Parabola};
/// use advect_paths::schedule::Schedule;
/// let schedule = GammaSchedule::new(Parabola);
/// assert_eq!((schedule.alpha(0.5), schedule.sigma(0.5), schedule.sigma(0.0)), (1.0, 0.25, 0.0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct GammaSchedule<G> {
    gamma: G,
}

impl<G: Gamma> GammaSchedule<G> {
    /// Creates the schedule of a γ.
    pub fn new(gamma: G) -> Self {
        GammaSchedule { gamma }
    }
}

impl<G: Gamma> Schedule for GammaSchedule<G> {
    fn alpha(&self, _: f64) -> f64 {
        1.0
    }
    fn sigma(&self, t: f64) -> f64 {
        self.gamma.gamma(t)
    }
    fn d_alpha(&self, _: f64) -> f64 {
        0.0
    }
    fn d_sigma(&self, t: f64) -> f64 {
        self.gamma.d_gamma(t)
    }
    fn sigma_d_sigma(&self, t: f64) -> f64 {
        self.gamma.gamma_d_gamma(t)
    }
}
