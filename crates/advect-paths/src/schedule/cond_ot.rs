//! Conditional optimal transport: straight lines (Lipman et al. 2023, eq. 20–23; with σ_min = 0 the
//! path of rectified flow, Liu et al. 2023).

use advect_core::{Error, Result};

use super::Schedule;

/// The schedule `α = t`, `σ = 1 − (1 − σ_min) t`: each x0 moves at constant speed to within σ_min of its x1.
///
/// ```
/// use advect_paths::schedule::{CondOt, Schedule};
/// # fn main() -> advect_core::Result<()> {
/// let schedule = CondOt::new(0.01)?;
/// assert_eq!((schedule.alpha(1.0), schedule.sigma(0.0)), (1.0, 1.0));
/// assert!((schedule.sigma(1.0) - 0.01).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "rectified flow")]
#[doc(alias = "linear schedule")]
#[doc(alias = "FM-OT")]
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CondOt {
    sigma_min: f64,
}

impl CondOt {
    /// Creates a schedule with `sigma_min` in [0, 1), the noise that remains at t = 1. The default is 0.
    ///
    /// # Errors
    /// [`Error::Range`] outside [0, 1).
    pub fn new(sigma_min: f64) -> Result<Self> {
        if !(0.0..1.0).contains(&sigma_min) {
            return Err(Error::range("sigma_min", sigma_min, "a number in [0, 1)"));
        }
        Ok(CondOt { sigma_min })
    }
}

impl Schedule for CondOt {
    fn alpha(&self, t: f64) -> f64 {
        t
    }
    fn sigma(&self, t: f64) -> f64 {
        // As a mixture of 1 and σ_min, so that σ(1) is σ_min to the last bit.
        (1.0 - t) + self.sigma_min * t
    }
    fn d_alpha(&self, _: f64) -> f64 {
        1.0
    }
    fn d_sigma(&self, _: f64) -> f64 {
        self.sigma_min - 1.0
    }
    fn time_at_log_snr(&self, log_snr: f64) -> f64 {
        // σ/α = (1 − (1 − σ_min) t) / t.
        let ratio = (-0.5 * log_snr).exp();
        (1.0 / (ratio + (1.0 - self.sigma_min))).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::contract;

    #[test]
    fn keeps_the_contract() {
        contract::check(&CondOt::default());
        contract::check(&CondOt::new(0.1).unwrap());
    }

    #[test]
    fn sigma_min_outside_its_range_is_refused() {
        for bad in [-1e-9, 1.0, 2.0, f64::NAN, f64::INFINITY] {
            let error = CondOt::new(bad).unwrap_err();
            assert!(error.to_string().starts_with("sigma_min: "), "{error}");
        }
    }
}
