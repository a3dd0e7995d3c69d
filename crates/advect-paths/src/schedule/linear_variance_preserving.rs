//! A linear signal of constant variance (the "linear VP" of Lipman et al. 2024's flow_matching library).

use super::Schedule;

/// The schedule `α = t`, `σ = √(1 − t²)`, with constant variance for data of unit variance. At t = 1, σ' = −∞.
///
/// ```
/// use advect_paths::schedule::{LinearVariancePreserving, Schedule};
/// assert_eq!(LinearVariancePreserving.sigma(0.6), 0.8);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinearVariancePreserving;

impl Schedule for LinearVariancePreserving {
    fn alpha(&self, t: f64) -> f64 {
        t
    }
    fn sigma(&self, t: f64) -> f64 {
        ((1.0 - t) * (1.0 + t)).sqrt()
    }
    fn d_alpha(&self, _: f64) -> f64 {
        1.0
    }
    fn d_sigma(&self, t: f64) -> f64 {
        -t / self.sigma(t)
    }
    fn sigma_d_sigma(&self, t: f64) -> f64 {
        -t
    }
    fn time_at_log_snr(&self, log_snr: f64) -> f64 {
        (1.0 + (-log_snr).exp()).sqrt().recip()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::contract;

    #[test]
    fn keeps_the_contract() {
        contract::check(&LinearVariancePreserving);
    }
}
