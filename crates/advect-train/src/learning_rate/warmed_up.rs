//! Linear warm-up of any learning rate (Goyal et al. 2017, "Accurate, large minibatch SGD", section 2.2).

use advect_core::{Result, check};

use super::LearningRate;

/// Another learning rate with a linear warm-up: multiplied by `(k + 1)/steps` at the first steps k. The other counts its
/// steps from the beginning, too.
///
/// ```
/// use advect_train::learning_rate::{LearningRate, WarmedUp};
/// # fn main() -> advect_core::Result<()> {
/// // A constant rate after 5,000 steps of warm-up.
/// let rate = WarmedUp::new(2e-4, 5000)?;
/// assert_eq!((rate.at(2499), rate.at(4999), rate.at(400_000)), (1e-4, 2e-4, 2e-4));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "LinearLR")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WarmedUp<R> {
    rate: R,
    steps: usize,
}

impl<R: LearningRate> WarmedUp<R> {
    /// Creates a warm-up of a number of steps.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for 0 steps.
    pub fn new(rate: R, steps: usize) -> Result<Self> {
        let steps = check::at_least_one("steps", steps)?;
        Ok(WarmedUp { rate, steps })
    }
}

impl<R: LearningRate> LearningRate for WarmedUp<R> {
    fn at(&self, step: usize) -> f64 {
        let part = (step as f64 + 1.0) / self.steps as f64;
        self.rate.at(step) * part.min(1.0)
    }

    fn end(&self) -> Option<usize> {
        self.rate.end()
    }
}
