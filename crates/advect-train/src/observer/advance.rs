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
        let rate = format!("rate {:.1e}", self.report().learning_rate);
        match self.samples_per_second() {
            Some(speed) => format!("{rate}  {speed:.0} samples/s"),
            None => rate,
        }
    }

    fn noisy(&self) -> Option<(&'static str, f64)> {
        let loss = self.report().loss;
        loss.is_finite().then_some(("loss", loss))
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
        if let Some(skipped) = &report.skipped {
            notes.push(("skipped", format!("skipped {skipped}")));
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
