//! A progress bar.

use std::ops::ControlFlow;

use advect_core::Result;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Observer, Reached};

/// A progress bar on standard error, with the evaluations made and the time left. It draws nothing where standard error is
/// no terminal.
///
/// ```
/// use advect_samplers::observer::SamplingProgress;
/// let mut progress = SamplingProgress::new("sampling");
/// # let _ = &mut progress;
/// ```
#[derive(Debug)]
pub struct SamplingProgress {
    bar: ProgressBar,
}

impl SamplingProgress {
    /// A bar under a title.
    pub fn new(title: &str) -> Self {
        let bar = ProgressBar::no_length().with_prefix(title.to_string());
        // The template is a constant, and without it the bar has another look, no more.
        if let Ok(style) = ProgressStyle::with_template(
            "{prefix} {wide_bar} {pos}/{len}  {msg}  {per_sec}  {eta} left",
        ) {
            bar.set_style(style);
        }
        SamplingProgress { bar }
    }
}

impl Observer for SamplingProgress {
    fn observe(&mut self, reached: &Reached<'_>) -> Result<ControlFlow<()>> {
        if !self.bar.is_hidden() {
            if let Some(steps) = reached.steps {
                self.bar.set_length(steps as u64);
            }
            let message = format!(
                "t {:.3}  {} evaluations",
                reached.level.time, reached.evaluations
            );
            self.bar.set_message(message);
            self.bar.set_position(reached.step as u64);
        }
        Ok(ControlFlow::Continue(()))
    }
}

impl Drop for SamplingProgress {
    fn drop(&mut self) {
        self.bar.abandon();
    }
}
