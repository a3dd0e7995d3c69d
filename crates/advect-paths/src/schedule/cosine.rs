//! The trigonometric interpolant (Albergo and Vanden-Eijnden 2023; "GVP" in SiT, Ma et al. 2024).

use std::f64::consts::FRAC_PI_2;

use super::Schedule;

/// The schedule `α = sin(πt/2)`, `σ = cos(πt/2)`, with constant variance for data of unit variance.
///
/// ```
/// use advect_paths::schedule::{Cosine, Schedule};
/// assert_eq!((Cosine.alpha(0.0), Cosine.sigma(1.0)), (0.0, 0.0));
/// assert!((Cosine.alpha(0.5) - 0.5f64.sqrt()).abs() < 1e-15);
/// ```
#[doc(alias = "GVP")]
#[doc(alias = "trigonometric interpolant")]
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cosine;

impl Schedule for Cosine {
    fn alpha(&self, t: f64) -> f64 {
        (FRAC_PI_2 * t).sin()
    }
    fn sigma(&self, t: f64) -> f64 {
        // Not cos(πt/2), which is 6e-17 at t = 1.
        (FRAC_PI_2 * (1.0 - t)).sin()
    }
    fn d_alpha(&self, t: f64) -> f64 {
        FRAC_PI_2 * self.sigma(t)
    }
    fn d_sigma(&self, t: f64) -> f64 {
        -FRAC_PI_2 * self.alpha(t)
    }
    fn time_at_log_snr(&self, log_snr: f64) -> f64 {
        (0.5 * log_snr).exp().atan() / FRAC_PI_2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::contract;

    #[test]
    fn keeps_the_contract() {
        contract::check(&Cosine);
    }
}
