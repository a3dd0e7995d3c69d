//! Observers of training, which are told of each step: any [`Observer<StepReport>`](advect_core::Observer).
//!
//! | observer | does |
//! | --- | --- |
//! | `Progress` | draws a progress bar (feature `progress`, on by default) |

#[cfg(feature = "progress")]
mod progress;

#[cfg(feature = "progress")]
pub use progress::Progress;
