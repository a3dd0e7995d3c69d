//! Guidance limited to an interval of noise levels (Kynkäänniemi et al., Applying guidance in a limited interval
//! improves sample and distribution quality in diffusion models, 2024).

use super::GuidanceWeight;
use advect_core::{Error, Result, check};

/// A weight within an interval of time, and 1 outside, where only the conditional part is evaluated.
///
/// The paper guides at noise levels `σ_low < σ ≤ σ_high`: a schedule's `time_at_log_snr(−2 ln σ)` are the ends here.
///
/// ```
/// use advect_samplers::guidance::{GuidanceInterval, GuidanceWeight};
/// # fn main() -> advect_core::Result<()> {
/// let weight = GuidanceInterval::new(3.0, 0.2, 0.8)?;
/// assert_eq!([0.1, 0.2, 0.5, 0.8, 0.9].map(|t| weight.at(t)), [1.0, 3.0, 3.0, 1.0, 1.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GuidanceInterval {
    weight: f64,
    start: f64,
    end: f64,
}

impl GuidanceInterval {
    /// Creates a weight for times from `start`, included, to `end`, excluded.
    ///
    /// # Errors
    /// [`Error::Range`] for a weight that is not finite, or unless `start < end`.
    pub fn new(weight: f64, start: f64, end: f64) -> Result<Self> {
        check::finite_number("weight", weight)?;
        if start.is_nan() || end.is_nan() || start >= end {
            let given = format!("{start} to {end}");
            return Err(Error::range("start, end", given, "a start before the end"));
        }
        Ok(GuidanceInterval { weight, start, end })
    }
}

impl GuidanceWeight for GuidanceInterval {
    fn at(&self, t: f64) -> f64 {
        match self.start <= t && t < self.end {
            true => self.weight,
            false => 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_settings_are_refused() {
        assert!(GuidanceInterval::new(f64::NAN, 0.0, 1.0).is_err());
        assert!(GuidanceInterval::new(2.0, 0.5, 0.5).is_err());
        assert!(GuidanceInterval::new(2.0, 0.0, f64::NAN).is_err());
    }
}
