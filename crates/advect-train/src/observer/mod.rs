//! Observers: who is told about each training step.
//!
//! | observer | does |
//! | --- | --- |
//! | `Progress` | draws a progress bar (feature `progress`, on by default) |
//! | `()` | nothing |
//! | any `FnMut(&StepReport)` | what it likes |

#[cfg(feature = "progress")]
mod progress;

use crate::StepReport;

#[cfg(feature = "progress")]
pub use progress::Progress;

/// Something that is told about each training step.
///
/// ```
/// use advect_train::{StepReport, observer::Observer};
/// let mut losses = Vec::new();
/// let mut record = |report: &StepReport| losses.push(report.loss);
/// # let observer: &mut dyn Observer = &mut record;
/// ```
pub trait Observer {
    /// Called after each step.
    fn observe(&mut self, report: &StepReport);
}

impl Observer for () {
    fn observe(&mut self, _: &StepReport) {}
}

impl<F: FnMut(&StepReport)> Observer for F {
    fn observe(&mut self, report: &StepReport) {
        self(report);
    }
}
