//! Linear warm-up and decay by the inverse root of the step (Vaswani et al. 2017, "Attention is all you need", eq. 3).

use advect_core::{Result, check};

use super::LearningRate;

/// A learning rate with linear warm-up, `peak · (k + 1)/warmup` at step k, and then `peak · √(warmup/(k + 1))`: a decay without an end.
///
/// ```
/// use advect_train::learning_rate::{InverseSquareRoot, LearningRate};
/// # fn main() -> advect_core::Result<()> {
/// let rate = InverseSquareRoot::new(1.0, 100)?;
/// assert_eq!((rate.at(49), rate.at(99), rate.at(399)), (0.5, 1.0, 0.5));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "Noam")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InverseSquareRoot {
    peak: f64,
    warmup: f64,
}

impl InverseSquareRoot {
    /// Creates a schedule with a peak rate and the number of steps of the warm-up, 1 for none.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless the peak is finite and above 0, and for 0 steps.
    pub fn new(peak: f64, warmup: usize) -> Result<Self> {
        Ok(InverseSquareRoot {
            peak: check::positive("peak", peak)?,
            warmup: check::at_least_one("warmup", warmup)? as f64,
        })
    }
}

impl LearningRate for InverseSquareRoot {
    fn at(&self, step: usize) -> f64 {
        let part = (step as f64 + 1.0) / self.warmup;
        self.peak * part.min(part.sqrt().recip())
    }
}
