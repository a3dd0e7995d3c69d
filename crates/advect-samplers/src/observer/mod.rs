//! Observers: who is told of each level that a sampler reaches.
//!
//! | observer | does |
//! | --- | --- |
//! | `SamplingProgress` | draws a progress bar (feature `progress`, on by default) |
//! | [`Snapshots`] | keeps states on the way |
//! | [`Both`] | tells two others |
//! | any `FnMut(&Reached)` | what it likes; it may return nothing, or a `Result<ControlFlow<()>>` to halt |

#[cfg(feature = "progress")]
mod progress;
mod snapshots;

use std::ops::ControlFlow;

use advect_core::Result;
use candle_core::Tensor;

use crate::Level;

#[cfg(feature = "progress")]
pub use progress::SamplingProgress;
pub use snapshots::Snapshots;

/// A level that was reached.
#[derive(Debug)]
#[non_exhaustive]
pub struct Reached<'a> {
    /// The number of steps made, from 1.
    pub step: usize,
    /// The number of steps there will be, where it is known beforehand.
    pub steps: Option<usize>,
    /// The level.
    pub level: Level,
    /// The state there.
    pub x: &'a Tensor,
    /// How often the field was evaluated so far.
    pub evaluations: usize,
}

/// Somebody who is told of each level that is reached.
pub trait Observer {
    /// Called after each step; `Break` halts the run.
    ///
    /// # Errors
    /// An error ends the run with it.
    fn observe(&mut self, reached: &Reached<'_>) -> Result<ControlFlow<()>>;
}

/// What an observing function may return.
pub trait Verdict {
    /// Whether to go on.
    ///
    /// # Errors
    /// What the function failed with.
    fn control(self) -> Result<ControlFlow<()>>;
}

impl Verdict for () {
    fn control(self) -> Result<ControlFlow<()>> {
        Ok(ControlFlow::Continue(()))
    }
}

impl Verdict for ControlFlow<()> {
    fn control(self) -> Result<ControlFlow<()>> {
        Ok(self)
    }
}

impl Verdict for Result<()> {
    fn control(self) -> Result<ControlFlow<()>> {
        self.map(ControlFlow::Continue)
    }
}

impl Verdict for Result<ControlFlow<()>> {
    fn control(self) -> Result<ControlFlow<()>> {
        self
    }
}

/// Two observers: the run goes on if both say so.
///
/// ```
/// use advect_samplers::observer::{Both, Snapshots};
/// # fn main() -> advect_core::Result<()> {
/// let (mut few, mut many) = (Snapshots::every(10)?, Snapshots::every(1)?);
/// let mut both = Both(&mut few, &mut many);
/// # let _ = &mut both;
/// # Ok(())
/// # }
/// ```
pub struct Both<'a>(pub &'a mut dyn Observer, pub &'a mut dyn Observer);

impl Observer for Both<'_> {
    fn observe(&mut self, reached: &Reached<'_>) -> Result<ControlFlow<()>> {
        let verdicts = [self.0.observe(reached)?, self.1.observe(reached)?];
        Ok(match verdicts.contains(&ControlFlow::Break(())) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        })
    }
}

impl std::fmt::Debug for Both<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Both")
    }
}

impl<V: Verdict, F: FnMut(&Reached<'_>) -> V> Observer for F {
    fn observe(&mut self, reached: &Reached<'_>) -> Result<ControlFlow<()>> {
        self(reached).control()
    }
}
