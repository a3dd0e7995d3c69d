//! A progress bar, and lines where there is no terminal.

use std::io::Write;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use advect_core::{Observer, Result};
use indicatif::{ProgressBar, ProgressStyle};

use super::StepInfo;

/// A progress bar on standard error, with the evaluations made and the time left. Where standard error is no terminal, a
/// line every 10 seconds.
///
/// ```
/// use advect_samplers::observer::SamplingProgress;
/// use std::time::Duration;
/// let mut progress = SamplingProgress::lines("sampling", std::io::stdout()).every(Duration::from_secs(60));
/// # let _ = &mut progress;
/// ```
pub struct SamplingProgress(Shown);

/// Where a run is shown.
enum Shown {
    Bar(ProgressBar),
    Lines {
        title: String,
        writer: Box<dyn Write + Send>,
        every: Duration,
        last: Instant,
    },
}

/// The time between two lines.
const EVERY: Duration = Duration::from_secs(10);

impl SamplingProgress {
    /// A bar under a title.
    pub fn new(title: &str) -> Self {
        let bar = ProgressBar::no_length().with_prefix(title.to_string());
        if bar.is_hidden() {
            return SamplingProgress::lines(title, std::io::stderr());
        }
        // The template is a constant, and without it the bar has another look, no more.
        if let Ok(style) = ProgressStyle::with_template(
            "{prefix} {wide_bar} {pos}/{len}  {msg}  {per_sec}  {eta} left",
        ) {
            bar.set_style(style);
        }
        SamplingProgress(Shown::Bar(bar))
    }

    /// Lines to a writer, such as a log file. Failures to write are ignored.
    pub fn lines(title: &str, writer: impl Write + Send + 'static) -> Self {
        SamplingProgress(Shown::Lines {
            title: title.to_string(),
            writer: Box::new(writer),
            every: EVERY,
            last: Instant::now(),
        })
    }

    /// Sets the time between two lines; without effect on a bar.
    pub fn every(mut self, time: Duration) -> Self {
        if let Shown::Lines { every, .. } = &mut self.0 {
            *every = time;
        }
        self
    }
}

impl Observer<StepInfo> for SamplingProgress {
    fn observe(&mut self, reached: &StepInfo) -> Result<ControlFlow<()>> {
        // Rounded first: no zero has a sign.
        let time = (reached.level.time * 1e3).round() / 1e3 + 0.0;
        let message = || format!("t {time:.3}  {} evaluations", reached.evaluations);
        match &mut self.0 {
            Shown::Bar(bar) => {
                if let Some(steps) = reached.steps {
                    bar.set_length(steps as u64);
                }
                bar.set_message(message());
                bar.set_position(reached.step as u64);
            }
            Shown::Lines {
                title,
                writer,
                every,
                last,
            } => {
                let now = Instant::now();
                if now.duration_since(*last) >= *every {
                    *last = now;
                    let steps = reached.steps.map(|steps| format!("/{steps}"));
                    let steps = steps.unwrap_or_default();
                    let _ = writeln!(writer, "{title}  {}{steps}  {}", reached.step, message());
                    let _ = writer.flush();
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

impl Drop for SamplingProgress {
    fn drop(&mut self) {
        if let Shown::Bar(bar) = &self.0 {
            bar.abandon();
        }
    }
}

impl std::fmt::Debug for SamplingProgress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = match &self.0 {
            Shown::Bar(_) => "bar",
            Shown::Lines { .. } => "lines",
        };
        f.debug_tuple("SamplingProgress").field(&shown).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use candle_core::{DType, Device, Tensor};

    use super::*;
    use crate::Level;

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

    fn lines(every: Duration) -> Vec<String> {
        let log = Log::default();
        let mut progress = SamplingProgress::lines("run", log.clone()).every(every);
        for (step, time) in [(1, 0.5), (2, -1e-9)] {
            let mut level = Level::clean();
            level.time = time;
            let reached = StepInfo {
                step,
                steps: Some(2),
                level,
                x: Tensor::zeros(1, DType::F32, &Device::Cpu).unwrap(),
                evaluations: 2 * step,
            };
            assert!(progress.observe(&reached).unwrap().is_continue());
        }
        log.lines()
    }

    #[test]
    fn lines_come_now_and_then() {
        let expected = [
            "run  1/2  t 0.500  2 evaluations",
            "run  2/2  t 0.000  4 evaluations",
        ];
        assert_eq!(lines(Duration::ZERO), expected);
        assert!(lines(Duration::from_secs(3600)).is_empty());
    }
}
