//! The display of a training run in a progress bar.

use advect_core::Advance;

use crate::Trainer;
use crate::trainer::roles::list;

impl<O> Advance for Trainer<O> {
    fn position(&self) -> usize {
        self.report().step
    }

    fn length(&self) -> Option<usize> {
        self.until()
    }

    fn message(&self) -> String {
        format!("rate {:.1e}", self.report().learning_rate)
    }

    fn noisy(&self) -> Option<(&'static str, f64)> {
        Some(("loss", self.report().loss))
    }

    fn notes(&self) -> Vec<(&'static str, String)> {
        let report = self.report();
        let mut notes = Vec::new();
        if report.schedule_ended {
            let note = format!(
                "the learning-rate schedule has ended before step {}; its rate is {:.1e} from here on",
                report.step, report.learning_rate
            );
            notes.push(("schedule", note));
        }
        let unused = &report.without_gradient;
        if !unused.is_empty() {
            let note = format!(
                "no gradient at step {} for {} of the parameters ({})",
                report.step,
                unused.len(),
                list(unused)
            );
            notes.push(("unused", note));
        }
        notes
    }
}
