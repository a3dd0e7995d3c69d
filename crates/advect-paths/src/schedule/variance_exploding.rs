//! The variance-exploding diffusion (Song et al. 2021, eq. 9 and 31; as a path, Lipman et al. 2023, eq. 16), with
//! diffusion time s = 1 − t.

use advect_core::{Error, Result, check};

use super::Schedule;

const SMALLEST: f64 = 1e-75;
const LARGEST: f64 = 1e75;

/// The schedule `α = 1`, `σ = σ_min (σ_max/σ_min)^(1 − t)`, whose noise shrinks by the same factor in equal times.
///
/// The source is the data with noise of `σ_max`, in practice N(0, σ_max²); noise of `σ_min` is left at t = 1. Its
/// levels at equally spaced times are the levels of NCSN. [`VarianceExplodingSde`](super::VarianceExplodingSde) ends at the data.
///
/// ```
/// use advect_paths::schedule::{Schedule, VarianceExploding};
/// let ve = VarianceExploding::default(); // σ from 0.01 to 50
/// assert!((ve.sigma(0.0) - 50.0).abs() < 1e-12 && (ve.sigma(1.0) - 0.01).abs() < 1e-17);
/// assert!((ve.sigma(0.5).powi(2) - 50.0 * 0.01).abs() < 1e-12);
/// ```
#[doc(alias = "VE")]
#[doc(alias = "NCSN")]
#[doc(alias = "score SDE")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VarianceExploding {
    sigma_min: f64,
    sigma_max: f64,
}

impl Default for VarianceExploding {
    /// Returns the schedule with `σ_min = 0.01`, `σ_max = 50`, as in Song et al. 2021 for CIFAR-10.
    fn default() -> Self {
        VarianceExploding {
            sigma_min: 0.01,
            sigma_max: 50.0,
        }
    }
}

impl VarianceExploding {
    /// Creates a schedule with noise from `sigma_max` (at t = 0) to `sigma_min` (at t = 1).
    ///
    /// # Errors
    /// [`Error::Range`] unless `1e-75 ≤ sigma_min < sigma_max ≤ 1e75`. The square of σ_max/σ_min is a number then.
    pub fn new(sigma_min: f64, sigma_max: f64) -> Result<Self> {
        let (sigma_min, sigma_max) = check_range(sigma_min, sigma_max)?;
        Ok(VarianceExploding {
            sigma_min,
            sigma_max,
        })
    }

    /// `ln(σ_max / σ_min)`.
    pub(super) fn log_ratio(&self) -> f64 {
        (self.sigma_max / self.sigma_min).ln()
    }

    pub(super) fn sigma_min(&self) -> f64 {
        self.sigma_min
    }
}

/// Checks two levels of noise, of which no product of four overflows.
pub(super) fn check_range(sigma_min: f64, sigma_max: f64) -> Result<(f64, f64)> {
    check::positive("sigma_min", sigma_min)?;
    if sigma_min < SMALLEST {
        return Err(Error::range("sigma_min", sigma_min, "at least 1e-75"));
    }
    if !(sigma_max > sigma_min && sigma_max <= LARGEST) {
        let accepted = format!("a number above sigma_min = {sigma_min} and at most 1e75");
        return Err(Error::range("sigma_max", sigma_max, accepted));
    }
    Ok((sigma_min, sigma_max))
}

impl Schedule for VarianceExploding {
    fn alpha(&self, _: f64) -> f64 {
        1.0
    }
    fn sigma(&self, t: f64) -> f64 {
        self.sigma_min * (self.log_ratio() * (1.0 - t)).exp()
    }
    fn d_alpha(&self, _: f64) -> f64 {
        0.0
    }
    fn d_sigma(&self, t: f64) -> f64 {
        -self.log_ratio() * self.sigma(t)
    }
    fn log_snr(&self, t: f64) -> f64 {
        -2.0 * (self.sigma_min.ln() + self.log_ratio() * (1.0 - t))
    }
    fn time_at_log_snr(&self, log_snr: f64) -> f64 {
        let s = (-0.5 * log_snr - self.sigma_min.ln()) / self.log_ratio();
        (1.0 - s).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::contract;

    #[test]
    fn keeps_the_contract() {
        contract::check(&VarianceExploding::default());
        contract::check(&VarianceExploding::new(1e-3, 80.0).unwrap());
    }

    #[test]
    fn bad_levels_are_refused() {
        for (low, high) in [
            (0.0, 1.0),
            (2.0, 1.0),
            (1.0, 1.0),
            (0.1, f64::NAN),
            (f64::NAN, 1.0),
            (1e-80, 1.0),
            (1.0, 1e80),
            (1.0, f64::INFINITY),
        ] {
            let error = VarianceExploding::new(low, high).unwrap_err().to_string();
            assert!(error.starts_with("sigma_m"), "{error}");
        }
    }
}
