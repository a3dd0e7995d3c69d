//! Cosine decay with warm restarts (Loshchilov and Hutter 2017, "SGDR: stochastic gradient descent with warm restarts", eq. 5).

use std::f64::consts::PI;

use advect_core::{Error, Result, check};

use super::LearningRate;

/// A learning rate that falls along half a cosine from its peak to a least rate, again and again: in period i, which has
/// `first · growthⁱ` steps, `least + ½ (peak − least) (1 + cos(π k / steps))` at its step k.
///
/// ```
/// use advect_train::learning_rate::{CosineRestarts, LearningRate};
/// # fn main() -> advect_core::Result<()> {
/// // Periods of 10, 20, 40, … steps.
/// let rate = CosineRestarts::new(1.0, 10)?.growth(2)?.least(0.1)?;
/// assert_eq!((rate.at(0), rate.at(10), rate.at(30)), (1.0, 1.0, 1.0));
/// assert!((rate.at(20) - 0.55).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "SGDR")]
#[doc(alias = "CosineAnnealingWarmRestarts")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CosineRestarts {
    peak: f64,
    least: f64,
    first: usize,
    growth: usize,
}

impl CosineRestarts {
    /// Creates a schedule with a peak rate, periods of this number of steps, and a least rate of 0.
    ///
    /// # Errors
    /// [`Error::Range`] unless the peak is finite and above 0, and for 0 steps.
    pub fn new(peak: f64, first: usize) -> Result<Self> {
        Ok(CosineRestarts {
            peak: check::positive("peak", peak)?,
            least: 0.0,
            first: check::at_least_one("first", first)?,
            growth: 1,
        })
    }

    /// Sets the factor by which each period is longer than the one before.
    ///
    /// # Errors
    /// [`Error::Range`] for 0.
    #[doc(alias = "T_mult")]
    pub fn growth(self, growth: usize) -> Result<Self> {
        let growth = check::at_least_one("growth", growth)?;
        Ok(CosineRestarts { growth, ..self })
    }

    /// Sets the rate to which each period falls.
    ///
    /// # Errors
    /// [`Error::Range`] unless it is from 0 to the peak.
    #[doc(alias = "eta_min")]
    pub fn least(self, least: f64) -> Result<Self> {
        if !(0.0..=self.peak).contains(&least) {
            let accepted = format!("a rate from 0 to the peak, {}", self.peak);
            return Err(Error::range("least", least, accepted));
        }
        Ok(CosineRestarts { least, ..self })
    }
}

impl LearningRate for CosineRestarts {
    fn at(&self, step: usize) -> f64 {
        let (mut k, mut steps) = (step, self.first);
        if self.growth == 1 {
            k %= steps;
        }
        while k >= steps {
            k -= steps;
            steps = steps.saturating_mul(self.growth);
        }
        let part = k as f64 / steps as f64;
        self.least + 0.5 * (self.peak - self.least) * (1.0 + (PI * part).cos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `CosineAnnealingWarmRestarts(lr = 0.5, T_0 = 3, T_mult = 2, eta_min = 0.05)` of torch 2.15.
    #[test]
    fn rates_are_those_of_torch() {
        let rate = CosineRestarts::new(0.5, 3)
            .and_then(|r| r.growth(2))
            .and_then(|r| r.least(0.05))
            .unwrap();
        let torch = [
            0.5,
            0.3875,
            0.16250000000000006,
            0.5,
            0.4698557158514987,
            0.3875,
            0.275,
            0.16250000000000006,
            0.08014428414850129,
            0.5,
            0.49233331091504035,
            0.4698557158514987,
        ];
        for (step, expected) in torch.into_iter().enumerate() {
            assert!((rate.at(step) - expected).abs() < 1e-14, "{step}");
        }
        assert!(rate.at(usize::MAX).is_finite());
    }

    #[test]
    fn bad_settings_are_refused() {
        assert!(CosineRestarts::new(0.0, 1).is_err() && CosineRestarts::new(1.0, 0).is_err());
        let rate = CosineRestarts::new(1.0, 2).unwrap();
        assert!(
            rate.growth(0).is_err() && rate.least(1.5).is_err() && rate.least(f64::NAN).is_err()
        );
    }
}
