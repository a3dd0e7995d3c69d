//! A progress bar.

use indicatif::{ProgressBar, ProgressStyle};

use super::Observer;
use crate::StepReport;

/// A progress bar on standard error, with the loss (smoothed), the learning rate, and the time left. It
/// draws nothing where standard error is no terminal.
///
/// ```
/// use advect_train::observer::Progress;
/// let mut progress = Progress::new(1000, "training");
/// # let _ = &mut progress;
/// ```
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    loss: Option<f64>,
}

impl Progress {
    /// A bar for a run that ends at step `until`, under a title.
    pub fn new(until: usize, title: &str) -> Self {
        let bar = ProgressBar::new(until as u64).with_prefix(title.to_string());
        // The template is a constant, and without it the bar has another look, no more.
        if let Ok(style) = ProgressStyle::with_template(
            "{prefix} {wide_bar} {pos}/{len}  {msg}  {per_sec}  {eta} left",
        ) {
            bar.set_style(style);
        }
        Progress { bar, loss: None }
    }
}

impl Observer for Progress {
    fn observe(&mut self, report: &StepReport) {
        let smooth = self
            .loss
            .map_or(report.loss, |old| old + 0.02 * (report.loss - old));
        self.loss = Some(smooth);
        if !self.bar.is_hidden() {
            self.bar.set_message(format!(
                "loss {smooth:.4}  rate {:.1e}",
                report.learning_rate
            ));
            self.bar.set_position(report.step as u64);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.abandon();
    }
}
