//! A schedule at a different pace.

use advect_core::{Error, Result};

use super::Schedule;

/// The schedule `α(w(t))`, `σ(w(t))` for a warp w of [0, 1], which reaches the same states at other times.
///
/// A field trained on the schedule follows the new one through [`Rescheduled`](crate::Rescheduled), exactly.
///
/// ```
/// use advect_paths::schedule::{CondOt, Retimed, Schedule};
/// # fn main() -> advect_core::Result<()> {
/// // The shift of Esser et al. 2024, eq. 23, by a factor of 3, in our direction of time: more time at the noise.
/// let shift = |t: f64| t / (t + 3.0 * (1.0 - t));
/// let d_shift = |t: f64| 3.0 / (t + 3.0 * (1.0 - t)).powi(2);
/// let shifted = Retimed::new(CondOt::default(), shift, d_shift)?;
/// assert_eq!(shifted.alpha(0.5), 0.25);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retimed<S, W, D> {
    schedule: S,
    warp: W,
    d_warp: D,
}

impl<S: Schedule, W: Fn(f64) -> f64, D: Fn(f64) -> f64> Retimed<S, W, D> {
    /// Creates a schedule from another one, a warp and its derivative.
    ///
    /// # Errors
    /// [`Error::Range`] unless the warp leads from 0 to 1 (to 1e-12) and rises between them, at 64 places that are
    /// looked at.
    pub fn new(schedule: S, warp: W, d_warp: D) -> Result<Self> {
        for (t, w) in [(0.0, warp(0.0)), (1.0, warp(1.0))] {
            // NaN is not near either.
            if (w - t).abs() > 1e-12 || w.is_nan() {
                let given = format!("w({t}) = {w}");
                return Err(Error::range("warp", given, "a warp from 0 to 1"));
            }
        }
        let places = (1..=64).map(|i| f64::from(i) / 64.0);
        for t in places {
            let (before, now, slope) = (warp(t - 1.0 / 64.0), warp(t), d_warp(t - 1.0 / 128.0));
            if !(now > before && slope >= 0.0) {
                let given = format!("w(t) = {now} and w'(t) = {slope} near t = {t}");
                return Err(Error::range("warp", given, "a warp that rises"));
            }
        }
        Ok(Retimed {
            schedule,
            warp,
            d_warp,
        })
    }

    fn at(&self, t: f64) -> f64 {
        (self.warp)(t).clamp(0.0, 1.0)
    }

    /// The chain rule; where it is 0 times ∞, a difference from the end inwards, good to about six digits.
    fn chained(&self, slope: f64, t: f64, value: impl Fn(f64) -> f64) -> f64 {
        let product = slope * (self.d_warp)(t);
        if !product.is_nan() {
            return product;
        }
        let h = if t < 0.5 { 1e-6 } else { -1e-6 };
        (value(self.at(t + h)) - value(self.at(t))) / h
    }
}

impl<S: Schedule, W: Fn(f64) -> f64, D: Fn(f64) -> f64> Schedule for Retimed<S, W, D> {
    fn alpha(&self, t: f64) -> f64 {
        self.schedule.alpha(self.at(t))
    }
    fn sigma(&self, t: f64) -> f64 {
        self.schedule.sigma(self.at(t))
    }
    fn d_alpha(&self, t: f64) -> f64 {
        self.chained(self.schedule.d_alpha(self.at(t)), t, |w| {
            self.schedule.alpha(w)
        })
    }
    fn d_sigma(&self, t: f64) -> f64 {
        self.chained(self.schedule.d_sigma(self.at(t)), t, |w| {
            self.schedule.sigma(w)
        })
    }
    fn sigma_d_sigma(&self, t: f64) -> f64 {
        self.chained(self.schedule.sigma_d_sigma(self.at(t)), t, |w| {
            0.5 * self.schedule.sigma(w).powi(2)
        })
    }
    fn log_snr(&self, t: f64) -> f64 {
        self.schedule.log_snr(self.at(t))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{
        CondOt, Cosine, Polynomial, VarianceExploding, VariancePreserving, contract,
    };

    #[test]
    fn keeps_the_contract() {
        let square = |t: f64| 0.5 * (t + t * t);
        let d_square = |t: f64| 0.5 + t;
        contract::check(&Retimed::new(CondOt::default(), square, d_square).unwrap());
        contract::check(&Retimed::new(Cosine, square, d_square).unwrap());
        contract::check(&Retimed::new(VariancePreserving::default(), square, d_square).unwrap());
    }

    #[test]
    fn ends_where_factors_are_0_and_infinite_have_limits() {
        let smooth = |t: f64| t * t * (3.0 - 2.0 * t);
        let d_smooth = |t: f64| 6.0 * t * (1.0 - t);
        let vp = Retimed::new(VariancePreserving::default(), smooth, d_smooth).unwrap();
        // σ² = B ≈ β_min (1 − w) and 1 − w ≈ 3 (1 − t)².
        assert!((vp.d_sigma(1.0) + 0.3f64.sqrt()).abs() < 1e-4);
        contract::check(&vp);
        let root = Polynomial::new(0.5).unwrap();
        let straight = Retimed::new(root, |t| t * t, |t| 2.0 * t).unwrap();
        assert!((straight.d_alpha(0.0) - 1.0).abs() < 1e-9);
        let ve = VarianceExploding::default();
        let ve = Retimed::new(ve, f64::sqrt, |t| 0.5 / t.sqrt()).unwrap();
        assert_eq!(ve.d_alpha(0.0), 0.0);
    }

    #[test]
    fn bad_warps_are_refused() {
        let reject = |warp: fn(f64) -> f64| Retimed::new(Cosine, warp, |_| 1.0).is_err();
        assert!(reject(|t| 1.0 - t));
        assert!(reject(|t| t + 0.1));
        assert!(reject(|_| f64::NAN));
        assert!(reject(|t| (3.5 * std::f64::consts::PI * t).sin().powi(2)));
        assert!(!reject(|t| t));
    }
}
