//! Observers of samplers, which are told of each level that is reached: any [`Observer<StepInfo>`](advect_core::Observer).
//!
//! | observer | does |
//! | --- | --- |
//! | `SamplingProgress` | draws a progress bar (feature `progress`, on by default) |
//! | [`Snapshots`] | keeps states on the way |

#[cfg(feature = "progress")]
mod progress;
mod snapshots;

use candle_core::Tensor;

use crate::Level;

#[cfg(feature = "progress")]
pub use progress::SamplingProgress;
pub use snapshots::Snapshots;

/// A level that a sampler has reached.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StepInfo {
    /// The number of steps made, from 1.
    pub step: usize,
    /// The number of steps there will be, where it is known beforehand.
    pub steps: Option<usize>,
    /// The level.
    pub level: Level,
    /// The state there.
    pub x: Tensor,
    /// How often the field was evaluated so far.
    pub evaluations: usize,
}

impl StepInfo {
    /// A report of a level, for samplers and tests of your own.
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
