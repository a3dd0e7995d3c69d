//! The variance-preserving diffusion (Song et al. 2021, eq. 11 and 33; as a path, Lipman et al. 2023,
//! eq. 18), with diffusion time s = 1 − t.

use advect_core::{Error, Result};

use super::Schedule;

/// The schedule `α = exp(−½ B(1 − t))`, `σ = √(1 − α²)`, with `B(s) = β_min s + ½ (β_max − β_min) s²`.
///
/// At t = 0 the signal is small, not zero (α = 0.0066 with the default); at t = 1, σ = 0 and σ' = −∞.
///
/// ```
/// use advect_paths::schedule::{Schedule, VariancePreserving};
/// let vp = VariancePreserving::default(); // β from 0.1 to 20
/// assert!((vp.alpha(0.0) - (-0.25 * 20.1f64).exp()).abs() < 1e-15);
/// assert_eq!((vp.alpha(1.0), vp.sigma(1.0)), (1.0, 0.0));
/// ```
#[doc(alias = "VP")]
#[doc(alias = "VPSDE")]
#[doc(alias = "score SDE")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VariancePreserving {
    beta_min: f64,
    beta_max: f64,
}

impl Default for VariancePreserving {
    /// Returns the schedule with `β_min = 0.1`, `β_max = 20`, as in Song et al. 2021.
    fn default() -> Self {
        VariancePreserving {
            beta_min: 0.1,
            beta_max: 20.0,
        }
    }
}

impl VariancePreserving {
    /// Creates a schedule with noise rates from `beta_min` (at the data) to `beta_max` (at the noise).
    ///
    /// # Errors
    /// [`Error::Range`] unless `0 < beta_min ≤ beta_max`, both finite.
    pub fn new(beta_min: f64, beta_max: f64) -> Result<Self> {
        if !(beta_min > 0.0 && beta_min.is_finite()) {
            return Err(Error::range(
                "beta_min",
                beta_min,
                "a finite number above 0",
            ));
        }
        if !(beta_max >= beta_min && beta_max.is_finite()) {
            let accepted = format!("a finite number of at least beta_min = {beta_min}");
            return Err(Error::range("beta_max", beta_max, accepted));
        }
        Ok(VariancePreserving { beta_min, beta_max })
    }

    /// `β(s) = β_min + (β_max − β_min) s` at diffusion time s = 1 − t.
    pub(super) fn rate(&self, t: f64) -> f64 {
        self.beta_min + (self.beta_max - self.beta_min) * (1.0 - t)
    }

    /// `B(s)`, the integral of β from 0 to s = 1 − t.
    pub(super) fn integral(&self, t: f64) -> f64 {
        let s = 1.0 - t;
        s * (self.beta_min + 0.5 * (self.beta_max - self.beta_min) * s)
    }

    /// The time at which `B` has this value.
    pub(super) fn time_at_integral(&self, b: f64) -> f64 {
        let root = (self.beta_min.powi(2) + 2.0 * (self.beta_max - self.beta_min) * b).sqrt();
        // From b = ∞ on, s = 1.
        let s = (2.0 * b.min(f64::MAX) / (self.beta_min + root)).min(1.0);
        1.0 - s
    }
}

impl Schedule for VariancePreserving {
    fn alpha(&self, t: f64) -> f64 {
        (-0.5 * self.integral(t)).exp()
    }
    fn sigma(&self, t: f64) -> f64 {
        // 1 − exp(−B) without cancellation near t = 1.
        (-(-self.integral(t)).exp_m1()).sqrt()
    }
    fn d_alpha(&self, t: f64) -> f64 {
        0.5 * self.rate(t) * self.alpha(t)
    }
    fn d_sigma(&self, t: f64) -> f64 {
        -self.alpha(t) * self.d_alpha(t) / self.sigma(t)
    }
    fn sigma_d_sigma(&self, t: f64) -> f64 {
        -self.alpha(t) * self.d_alpha(t)
    }
    fn log_snr(&self, t: f64) -> f64 {
        log_snr_of(self.integral(t))
    }
    fn time_at_log_snr(&self, log_snr: f64) -> f64 {
        let inverse = (-log_snr).exp();
        // ln(1 + exp(−λ)) is −λ where the exponential overflows.
        let b = if inverse.is_finite() {
            inverse.ln_1p()
        } else {
            -log_snr
        };
        self.time_at_integral(b)
    }
    fn diffusion_squared(&self, t: f64) -> f64 {
        self.rate(t)
    }
}

/// `−ln(exp(B) − 1)`, where α² = exp(−B).
pub(super) fn log_snr_of(b: f64) -> f64 {
    // The exponential of large B overflows, and the 1 no longer counts.
    if b > 40.0 { -b } else { -b.exp_m1().ln() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::contract;

    #[test]
    fn keeps_the_contract() {
        contract::check(&VariancePreserving::default());
        contract::check(&VariancePreserving::new(8.0, 8.0).unwrap());
    }

    #[test]
    fn bad_rates_are_refused() {
        assert!(VariancePreserving::new(0.0, 1.0).is_err());
        assert!(VariancePreserving::new(2.0, 1.0).is_err());
        assert!(VariancePreserving::new(0.1, f64::NAN).is_err());
    }
}
