//! Linear warm-up and cosine decay (Goyal et al. 2017; Loshchilov and Hutter 2017, eq. 5).

use std::f64::consts::PI;

use advect_core::{Error, Result, check};

use super::LearningRate;

/// A learning rate with linear warm-up and cosine decay: `peak · (k + 1) / warmup` for the first `warmup` steps k, then
/// `peak · ½ (1 + cos(π (k − warmup) / (total − warmup)))`, 0 from step `total` on.
///
/// ```
/// use advect_train::learning_rate::{LearningRate, WarmupCosine};
/// # fn main() -> advect_core::Result<()> {
/// let rate = WarmupCosine::new(1.0, 10, 110)?;
/// assert_eq!((rate.at(0), rate.at(9), rate.at(10)), (0.1, 1.0, 1.0));
/// assert!((rate.at(60) - 0.5).abs() < 1e-15);
/// assert_eq!(rate.at(110), 0.0);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "CosineAnnealingLR")]
#[doc(alias = "cosine annealing")]
#[doc(alias = "cosine schedule")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WarmupCosine {
    peak: f64,
    warmup: usize,
    total: usize,
}

impl WarmupCosine {
    /// Creates a schedule with a peak rate, the number of steps of the warm-up (which may be 0) and of the whole run.
    ///
    /// # Errors
    /// [`Error::Range`] unless `peak` is finite and above 0, and `warmup < total`.
    pub fn new(peak: f64, warmup: usize, total: usize) -> Result<Self> {
        check::positive("peak", peak)?;
        if warmup >= total {
            return Err(Error::range(
                "warmup",
                warmup,
                format!("a number of steps below the total, {total},"),
            ));
        }
        Ok(WarmupCosine {
            peak,
            warmup,
            total,
        })
    }
}

impl LearningRate for WarmupCosine {
    fn at(&self, step: usize) -> f64 {
        if step < self.warmup {
            return self.peak * (step + 1) as f64 / self.warmup as f64;
        }
        if step >= self.total {
            return 0.0;
        }
        let progress = (step - self.warmup) as f64 / (self.total - self.warmup) as f64;
        self.peak * 0.5 * (1.0 + (PI * progress).cos())
    }

    fn end(&self) -> Option<usize> {
        Some(self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_settings_are_refused() {
        assert!(WarmupCosine::new(0.0, 1, 2).is_err());
        assert!(WarmupCosine::new(1.0, 5, 5).is_err());
    }

    #[test]
    fn no_warmup_begins_at_the_peak() {
        assert_eq!(WarmupCosine::new(0.5, 0, 4).unwrap().at(0), 0.5);
    }
}
