//! The noise levels of EDM (Karras et al. 2022, eq. 5, with a continuous index).

use advect_core::{Error, Result};

use super::{Schedule, variance_exploding::check_range};

/// The schedule of EDM, `α = 1`, `σ = (σ_max^(1/ρ) + t (σ_min^(1/ρ) − σ_max^(1/ρ)))^ρ`. The data has noise of σ,
/// which is EDM's own time, and equal steps of t are EDM's N levels, `t = i / (N − 1)`.
///
/// ```
/// use advect_paths::schedule::{EdmSchedule, Schedule};
/// let edm = EdmSchedule::default(); // σ from 0.002 to 80, ρ = 7
/// assert!((edm.sigma(0.0) - 80.0).abs() < 1e-12 && (edm.sigma(1.0) - 0.002).abs() < 1e-15);
/// // The time of a noise level:
/// assert!((edm.sigma(edm.time_at_log_snr(-2.0 * 0.5f64.ln())) - 0.5).abs() < 1e-14);
/// ```
#[doc(alias = "Karras")]
#[doc(alias = "EDM")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EdmSchedule {
    sigma_min: f64,
    sigma_max: f64,
    rho: f64,
}

impl Default for EdmSchedule {
    /// Returns the schedule with `σ_min = 0.002`, `σ_max = 80`, `ρ = 7`, as in Karras et al. 2022, table 1.
    fn default() -> Self {
        EdmSchedule {
            sigma_min: 0.002,
            sigma_max: 80.0,
            rho: 7.0,
        }
    }
}

impl EdmSchedule {
    /// Creates a schedule with noise from `sigma_max` (at t = 0) to `sigma_min` (at t = 1). The larger `rho` is, the
    /// more of the time is spent at small noise.
    ///
    /// # Errors
    /// [`Error::Range`] unless `1e-75 ≤ sigma_min < sigma_max ≤ 1e75` and `0.5 ≤ rho ≤ 1e6`.
    pub fn new(sigma_min: f64, sigma_max: f64, rho: f64) -> Result<Self> {
        let (sigma_min, sigma_max) = check_range(sigma_min, sigma_max)?;
        if !(0.5..=1e6).contains(&rho) {
            return Err(Error::range("rho", rho, "a number from 0.5 to 1e6"));
        }
        Ok(EdmSchedule {
            sigma_min,
            sigma_max,
            rho,
        })
    }

    /// `σ^(1/ρ)` at both ends.
    fn roots(&self) -> (f64, f64) {
        let root = |sigma: f64| sigma.powf(1.0 / self.rho);
        (root(self.sigma_max), root(self.sigma_min))
    }

    /// `σ^(1/ρ)`, which is linear in t, and its slope.
    fn root(&self, t: f64) -> (f64, f64) {
        let (high, low) = self.roots();
        ((1.0 - t) * high + t * low, low - high)
    }
}

impl Schedule for EdmSchedule {
    fn alpha(&self, _: f64) -> f64 {
        1.0
    }
    fn sigma(&self, t: f64) -> f64 {
        self.root(t).0.powf(self.rho)
    }
    fn d_alpha(&self, _: f64) -> f64 {
        0.0
    }
    fn d_sigma(&self, t: f64) -> f64 {
        let (root, slope) = self.root(t);
        self.rho * slope * root.powf(self.rho - 1.0)
    }
    fn time_at_log_snr(&self, log_snr: f64) -> f64 {
        let (high, low) = self.roots();
        let root = (-0.5 * log_snr / self.rho).exp();
        ((high - root) / (high - low)).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::contract;

    #[test]
    fn keeps_the_contract() {
        contract::check(&EdmSchedule::default());
        contract::check(&EdmSchedule::new(0.01, 20.0, 1.0).unwrap());
    }

    #[test]
    fn bad_settings_are_refused() {
        assert!(EdmSchedule::new(1.0, 0.5, 7.0).is_err());
        assert!(EdmSchedule::new(0.1, 0.5, 0.0).is_err());
    }
}
