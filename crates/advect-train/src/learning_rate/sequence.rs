//! Learning rates one after the other.

use advect_core::{Error, Result};

use super::LearningRate;

/// Learning rates one after the other, each of which counts its steps from its own beginning. Numbers make a rate that is constant
/// by pieces.
///
/// ```
/// use advect_train::learning_rate::{LearningRate, Sequence, WarmupCosine};
/// # fn main() -> advect_core::Result<()> {
/// let rate = Sequence::starting(1e-3).then(1000, 1e-4)?.then(2000, WarmupCosine::new(1e-3, 10, 500)?)?;
/// assert_eq!((rate.at(999), rate.at(1000), rate.at(2009)), (1e-3, 1e-4, 1e-3));
/// assert_eq!(rate.end(), Some(2500));
/// // Steps at which the rates change rise.
/// assert!(rate.then(1500, 0.1).is_err());
/// # Ok(())
/// # }
/// ```
#[doc(alias = "SequentialLR")]
#[doc(alias = "MultiStepLR")]
#[doc(alias = "piecewise constant")]
pub struct Sequence {
    parts: Vec<(usize, Box<dyn LearningRate + Send + Sync>)>,
}

impl Sequence {
    /// Creates a sequence from its first rate.
    pub fn starting(rate: impl LearningRate + Send + Sync + 'static) -> Self {
        Sequence {
            parts: vec![(0, Box::new(rate))],
        }
    }

    /// Adds a rate that begins at a step.
    ///
    /// # Errors
    /// [`Error::Range`] unless the step is after that at which the rate before begins.
    pub fn then(
        mut self,
        step: usize,
        rate: impl LearningRate + Send + Sync + 'static,
    ) -> Result<Self> {
        let before = self.parts.last().map_or(0, |part| part.0);
        if step <= before {
            let accepted = format!("a step after {before}, where the rate before begins");
            return Err(Error::range("step", step, accepted));
        }
        self.parts.push((step, Box::new(rate)));
        Ok(self)
    }

    /// The rate of a step, and where it begins.
    fn part(&self, step: usize) -> &(usize, Box<dyn LearningRate + Send + Sync>) {
        let after = self.parts.partition_point(|part| part.0 <= step);
        &self.parts[after.saturating_sub(1)]
    }
}

impl LearningRate for Sequence {
    fn at(&self, step: usize) -> f64 {
        let (begin, rate) = self.part(step);
        rate.at(step - begin)
    }

    fn end(&self) -> Option<usize> {
        let (begin, rate) = self.part(usize::MAX);
        Some(begin + rate.end()?)
    }
}

impl std::fmt::Debug for Sequence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let begins = self.parts.iter().map(|part| part.0);
        f.debug_struct("Sequence")
            .field("begins", &begins.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
