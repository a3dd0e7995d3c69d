//! A progress bar, and lines where there is no terminal.

use std::io::Write;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use advect_core::{Observer, Result};
use indicatif::{ProgressBar, ProgressStyle};

use crate::StepReport;
use crate::trainer::roles::list;

/// A progress bar on standard error, with the loss (smoothed), the learning rate, and the time left. Where standard error
/// is no terminal, a line every 10 seconds and one at the last step.
///
/// It also says, once, that the learning-rate schedule has ended, and that parameters had no gradient.
///
/// ```
/// use advect_core::{Generator, Key};
/// use advect_nn::{Linear, ParameterStore};
/// use advect_train::{AdamW, AdamWConfig, Trainer, observer::Progress};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let net = Linear::new(1, 1, &store.builder())?;
/// let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
/// let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(0));
/// let x = Tensor::ones((1, 1), DType::F64, &Device::Cpu)?;
/// let path = std::env::temp_dir().join(format!("advect-doc-{}.log", std::process::id()));
/// let mut progress = Progress::lines(20, "training", std::fs::File::create(&path).unwrap());
/// trainer.run(20, |_, _| Ok(net.forward(&x)?.sqr()?.sum_all()?), &mut progress)?;
/// assert!(std::fs::read_to_string(&path).unwrap().starts_with("training  20/20  loss 0."));
/// # std::fs::remove_file(path).unwrap();
/// # Ok(())
/// # }
/// ```
pub struct Progress {
    until: usize,
    loss: Option<f64>,
    told_unused: bool,
    shown: Shown,
}

/// Where a run is shown.
enum Shown {
    Bar(ProgressBar),
    Lines {
        title: String,
        writer: Box<dyn Write + Send>,
        every: Duration,
        /// The step before the first that was seen, and when; and when the last line was written.
        begun: Option<(usize, Instant)>,
        last: Instant,
    },
}

/// The time between two lines.
const EVERY: Duration = Duration::from_secs(10);

impl Progress {
    /// A bar for a run that ends at step `until`, under a title.
    pub fn new(until: usize, title: &str) -> Self {
        let bar = ProgressBar::new(until as u64).with_prefix(title.to_string());
        if bar.is_hidden() {
            return Progress::lines(until, title, std::io::stderr());
        }
        // The template is a constant, and without it the bar has another look, no more.
        if let Ok(style) = ProgressStyle::with_template(
            "{prefix} {wide_bar} {pos}/{len}  {msg}  {per_sec}  {eta} left",
        ) {
            bar.set_style(style);
        }
        Progress::shown(until, Shown::Bar(bar))
    }

    /// Lines to a writer, such as a log file, for a run that ends at step `until`. Failures to write are ignored.
    pub fn lines(until: usize, title: &str, writer: impl Write + Send + 'static) -> Self {
        let lines = Shown::Lines {
            title: title.to_string(),
            writer: Box::new(writer),
            every: EVERY,
            begun: None,
            last: Instant::now(),
        };
        Progress::shown(until, lines)
    }

    /// Sets the time between two lines; without effect on a bar.
    pub fn every(mut self, time: Duration) -> Self {
        if let Shown::Lines { every, .. } = &mut self.shown {
            *every = time;
        }
        self
    }

    fn shown(until: usize, shown: Shown) -> Self {
        Progress {
            until,
            loss: None,
            told_unused: false,
            shown,
        }
    }

    /// What is to be said once.
    fn notes(&mut self, report: &StepReport) -> Vec<String> {
        let mut notes = Vec::new();
        if report.schedule_ended {
            notes.push(format!(
                "the learning-rate schedule has ended before step {}; its rate is {:.1e} from here on",
                report.step, report.learning_rate
            ));
        }
        let unused = &report.without_gradient;
        if !unused.is_empty() && !self.told_unused {
            self.told_unused = true;
            notes.push(format!(
                "no gradient at step {} for {} parameters ({})",
                report.step,
                unused.len(),
                list(unused)
            ));
        }
        notes
    }
}

impl Observer<StepReport> for Progress {
    fn observe(&mut self, report: &StepReport) -> Result<ControlFlow<()>> {
        let smooth = self
            .loss
            .map_or(report.loss, |old| old + 0.02 * (report.loss - old));
        self.loss = Some(smooth);
        let notes = self.notes(report);
        // Rounded first: no zero has a sign.
        let smooth = (smooth * 1e4).round() / 1e4 + 0.0;
        let message = || format!("loss {smooth:.4}  rate {:.1e}", report.learning_rate);
        match &mut self.shown {
            Shown::Bar(bar) => {
                for note in notes {
                    bar.println(note);
                }
                bar.set_message(message());
                bar.set_position(report.step as u64);
            }
            Shown::Lines {
                title,
                writer,
                every,
                begun,
                last,
            } => {
                let now = Instant::now();
                let (first, start) = *begun.get_or_insert((report.step.saturating_sub(1), *last));
                for note in notes {
                    let _ = writeln!(writer, "{title}  {note}");
                }
                if report.step != self.until && now.duration_since(*last) < *every {
                    return Ok(ControlFlow::Continue(()));
                }
                *last = now;
                let each = now.duration_since(start).as_secs_f64()
                    / report.step.saturating_sub(first).max(1) as f64;
                let left = each * self.until.saturating_sub(report.step) as f64;
                let _ = writeln!(
                    writer,
                    "{title}  {}/{}  {}  {each:.2e} s a step  {left:.0} s left",
                    report.step,
                    self.until,
                    message()
                );
                let _ = writer.flush();
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.abandon();
        }
    }
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress")
            .field("until", &self.until)
            .field("loss", &self.loss)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A writer whose text can be read meanwhile.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Log {
        fn lines(&self) -> Vec<String> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            text.lines().map(str::to_string).collect()
        }
    }

    fn report(step: usize, loss: f64) -> StepReport {
        StepReport {
            step,
            loss,
            gradient_norm: 1.0,
            learning_rate: 1e-3,
            without_gradient: Vec::new(),
            schedule_ended: false,
        }
    }

    fn lines(every: Duration, reports: &[StepReport]) -> Vec<String> {
        let log = Log::default();
        let mut progress = Progress::lines(4, "run", log.clone()).every(every);
        for report in reports {
            assert!(progress.observe(report).unwrap().is_continue());
        }
        log.lines()
    }

    #[test]
    fn lines_come_now_and_then_and_at_the_end() {
        let reports: Vec<StepReport> = (1..=4).map(|step| report(step, 0.5)).collect();
        assert_eq!(lines(Duration::ZERO, &reports).len(), 4);
        let rarely = lines(Duration::from_secs(3600), &reports);
        assert_eq!(rarely.len(), 1);
        let start = "run  4/4  loss 0.5000  rate 1.0e-3  ";
        assert!(
            rarely[0].starts_with(start) && rarely[0].ends_with("  0 s left"),
            "{rarely:?}"
        );
    }

    #[test]
    fn zeros_have_no_sign() {
        let lines = lines(Duration::ZERO, &[report(1, -1e-9)]);
        assert!(lines[0].contains("loss 0.0000"), "{lines:?}");
    }

    #[test]
    fn what_is_said_once() {
        let mut ended = report(3, 0.5);
        ended.schedule_ended = true;
        ended.learning_rate = 0.0;
        ended.without_gradient = vec!["a.weight".into()];
        let mut last = report(4, 0.5);
        last.without_gradient = vec!["a.weight".into()];
        let lines = lines(Duration::from_secs(3600), &[ended, last]);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(
            lines[0].contains("schedule has ended before step 3"),
            "{lines:?}"
        );
        assert!(
            lines[1].contains("no gradient at step 3 for 1 parameters (a.weight)"),
            "{lines:?}"
        );
    }
}
