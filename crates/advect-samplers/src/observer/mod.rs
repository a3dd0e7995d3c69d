//! Observers of samplers, which receive each level that is reached: any
//! [`Observer<StepInfo>`](advect_core::Observer).
//!
//! | observer | task |
//! | --- | --- |
//! | `advect_core::Progress` | draws a progress bar (feature `progress`, on by default) |
//! | [`Snapshots`] | keeps states on the way |

mod snapshots;

use advect_core::Advance;
use candle_core::Tensor;

use crate::Level;

pub use snapshots::Snapshots;

/// A report of a level that a sampler has reached.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StepInfo {
    /// The number of steps so far, from 1.
    pub step: usize,
    /// The total number of steps, if it is known beforehand.
    pub steps: Option<usize>,
    /// The level.
    pub level: Level,
    /// The state at that level.
    pub x: Tensor,
    /// The number of evaluations of the field so far.
    pub evaluations: usize,
}

impl StepInfo {
    /// Creates a report of a level, for your own samplers and tests.
    pub fn new(
        step: usize,
        steps: Option<usize>,
        level: Level,
        x: Tensor,
        evaluations: usize,
    ) -> Self {
        StepInfo {
            step,
            steps,
            level,
            x,
            evaluations,
        }
    }
}

/// A short run ends without a line in a log.
impl Advance for StepInfo {
    fn position(&self) -> usize {
        self.step
    }

    fn length(&self) -> Option<usize> {
        self.steps
    }

    fn message(&self) -> String {
        // Rounded first: no zero has a sign.
        let time = (self.level.time * 1e3).round() / 1e3 + 0.0;
        format!("t {time:.3}  {} evaluations", self.evaluations)
    }

    fn is_milestone(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    #[test]
    fn what_is_shown_of_a_level() {
        for (time, message) in [
            (0.5, "t 0.500  4 evaluations"),
            (-1e-9, "t 0.000  4 evaluations"),
        ] {
            let mut level = Level::clean();
            level.time = time;
            let x = Tensor::zeros(1, DType::F32, &Device::Cpu).unwrap();
            let reached = StepInfo::new(2, Some(2), level, x, 4);
            assert_eq!((reached.position(), reached.length()), (2, Some(2)));
            assert_eq!(reached.message(), message);
            assert!(!reached.is_milestone());
        }
    }
}
