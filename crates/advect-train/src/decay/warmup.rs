//! A decay that rises from 1/10, so that the beginning is soon forgotten (as in TensorFlow's averages with
//! `num_updates`).

use advect_core::Result;

use super::Decay;
use crate::ema::checked_decay;

/// The decay `min(decay, (1 + n) / (10 + n))` at step n.
///
/// ```
/// use advect_train::decay::{Decay, Warmup};
/// # fn main() -> advect_core::Result<()> {
/// let decay = Warmup::new(0.999)?;
/// assert_eq!((decay.at(0), decay.at(8), decay.at(100_000)), (0.1, 0.5, 0.999));
/// // An average that begins at step 5000.
/// assert_eq!(decay.from(5000).at(5008), 0.5);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "num_updates")]
#[doc(alias = "EMA")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Warmup {
    decay: f64,
    from: usize,
}

impl Warmup {
    /// Creates a warm-up to a decay.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless the decay is in [0, 1).
    pub fn new(decay: f64) -> Result<Self> {
        let decay = checked_decay(decay)?;
        Ok(Warmup { decay, from: 0 })
    }

    /// Returns the same warm-up for an average that begins at step `from`.
    pub fn from(self, from: usize) -> Self {
        Warmup { from, ..self }
    }
}

impl Decay for Warmup {
    fn at(&self, step: usize) -> f64 {
        let n = step.saturating_sub(self.from) as f64;
        self.decay.min((1.0 + n) / (10.0 + n))
    }
}
