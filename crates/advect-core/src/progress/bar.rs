//! A progress bar, which writes plain lines if there is no terminal.

use std::io::Write;
use std::ops::ControlFlow;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::Advance;
use crate::{Instant, Observer, Result};

/// An observer that shows a run's progress: a progress bar on standard error, with the time left. Where standard error
/// is no terminal, it writes a line every 10 seconds and one at the last step of a training run.
///
/// It shows any run whose events are an [`Advance`]. For training it shows the loss (smoothed) and the learning rate
/// and, once each, that the schedule of the learning rate has ended and that parameters had no gradient. For sampling
/// it shows the time and the evaluations.
///
/// ```
/// use advect_core::{Advance, Observer, Progress};
/// struct Done(usize);
/// impl Advance for Done {
///     fn position(&self) -> usize {
///         self.0
///     }
///     fn length(&self) -> Option<usize> {
///         Some(2)
///     }
///     fn message(&self) -> String {
///         "files".into()
///     }
/// }
/// # fn main() -> advect_core::Result<()> {
/// let path = std::env::temp_dir().join(format!("advect-doc-{}.log", std::process::id()));
/// let mut progress = Progress::lines("copying", std::fs::File::create(&path).unwrap());
/// for done in [Done(1), Done(2)] {
///     progress.observe(&done)?;
/// }
/// assert!(std::fs::read_to_string(&path).unwrap().starts_with("copying  2/2  files  "));
/// # std::fs::remove_file(path).unwrap();
/// # Ok(())
/// # }
/// ```
#[doc(alias = "tqdm")]
#[doc(alias = "progress bar")]
pub struct Progress {
    length: Option<usize>,
    /// The smoothed number.
    smooth: Option<f64>,
    /// The names of the notes that have been shown.
    noted: Vec<&'static str>,
    shown: Shown,
}

/// The place where a run is shown.
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
    /// Creates a progress bar with a title.
    pub fn new(title: &str) -> Self {
        let bar = ProgressBar::no_length().with_prefix(title.to_string());
        if bar.is_hidden() {
            return Progress::lines(title, std::io::stderr());
        }
        // The template is a constant, and without it the bar has another look, no more.
        if let Ok(style) = ProgressStyle::with_template(
            "{prefix} {wide_bar} {pos}/{len}  {msg}  {per_sec}  {eta} left",
        ) {
            bar.set_style(style);
        }
        Progress::shown(Shown::Bar(bar))
    }

    /// Creates an observer that writes lines to a writer, such as a log file. Failures to write are ignored.
    pub fn lines(title: &str, writer: impl Write + Send + 'static) -> Self {
        Progress::shown(Shown::Lines {
            title: title.to_string(),
            writer: Box::new(writer),
            every: EVERY,
            begun: None,
            last: Instant::now(),
        })
    }

    /// Sets the time between two lines. It has no effect on a bar.
    pub fn every(mut self, time: Duration) -> Self {
        if let Shown::Lines { every, .. } = &mut self.shown {
            *every = time;
        }
        self
    }

    /// Sets the number of steps at the end, for runs in several stretches. Without this, it is the number of steps of
    /// the run.
    pub fn length(mut self, steps: usize) -> Self {
        self.length = Some(steps);
        self
    }

    fn shown(shown: Shown) -> Self {
        Progress {
            length: None,
            smooth: None,
            noted: Vec::new(),
            shown,
        }
    }

    /// Returns the notes that have not been shown yet.
    fn new_notes(&mut self, event: &(impl Advance + ?Sized)) -> Vec<String> {
        let mut notes = event.notes();
        notes.retain(|(name, _)| {
            let is_new = !self.noted.contains(name);
            if is_new {
                self.noted.push(name);
            }
            is_new
        });
        notes.into_iter().map(|(_, note)| note).collect()
    }

    /// Updates and returns the smoothed number.
    fn smoothed(&mut self, event: &(impl Advance + ?Sized)) -> Option<(&'static str, f64)> {
        let (name, value) = event.noisy()?;
        let smooth = (self.smooth).map_or(value, |old| old + 0.02 * (value - old));
        self.smooth = Some(smooth);
        Some((name, smooth))
    }
}

impl<E: Advance + ?Sized> Observer<E> for Progress {
    fn observe(&mut self, event: &E) -> Result<ControlFlow<()>> {
        let smoothed = self.smoothed(event);
        let notes = self.new_notes(event);
        let message = || match smoothed {
            Some((name, value)) => format!("{name} {}  {}", four_digits(value), event.message()),
            None => event.message(),
        };
        let (position, length) = (event.position(), self.length.or(event.length()));
        match &mut self.shown {
            Shown::Bar(bar) => {
                for note in notes {
                    bar.println(note);
                }
                if let Some(length) = length {
                    bar.set_length(length as u64);
                }
                bar.set_message(message());
                bar.set_position(position as u64);
            }
            Shown::Lines {
                title,
                writer,
                every,
                begun,
                last,
            } => {
                let now = Instant::now();
                let (first, start) = *begun.get_or_insert((position.saturating_sub(1), *last));
                for note in notes {
                    let _ = writeln!(writer, "{title}  {note}");
                }
                // The end of a stretch is none of the run.
                let is_milestone =
                    event.is_milestone() && self.length.is_none_or(|length| length == position);
                if !is_milestone && now.duration_since(*last) < *every {
                    return Ok(ControlFlow::Continue(()));
                }
                *last = now;
                let made = position.saturating_sub(first).max(1) as f64;
                let each = now.duration_since(start).as_secs_f64() / made;
                let (of, left) = match length {
                    Some(length) => {
                        let left = each * length.saturating_sub(position) as f64;
                        (format!("/{length}"), format!("  {left:.0} s left"))
                    }
                    None => (String::new(), String::new()),
                };
                let _ = writeln!(
                    writer,
                    "{title}  {position}{of}  {}  {each:.2e} s a step{left}",
                    message()
                );
                let _ = writer.flush();
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Returns a number with four digits after the point. Rounded first: no zero has a sign.
fn four_digits(value: f64) -> String {
    format!("{:.4}", (value * 1e4).round() / 1e4 + 0.0)
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
            .field("length", &self.length)
            .field("smooth", &self.smooth)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
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

    #[derive(Clone)]
    struct Event {
        position: usize,
        length: Option<usize>,
        noisy: Option<f64>,
        note: Option<&'static str>,
        quiet: bool,
    }

    impl Advance for Event {
        fn position(&self) -> usize {
            self.position
        }
        fn length(&self) -> Option<usize> {
            self.length
        }
        fn message(&self) -> String {
            "rate 1".into()
        }
        fn noisy(&self) -> Option<(&'static str, f64)> {
            self.noisy.map(|value| ("loss", value))
        }
        fn notes(&self) -> Vec<(&'static str, String)> {
            let note = |text| ("name", format!("{text} at {}", self.position));
            self.note.map(note).into_iter().collect()
        }
        fn is_milestone(&self) -> bool {
            !self.quiet && self.length == Some(self.position)
        }
    }

    fn event(position: usize) -> Event {
        Event {
            position,
            length: Some(4),
            noisy: Some(0.5),
            note: None,
            quiet: false,
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);

    fn lines(every: Duration, length: Option<usize>, events: &[Event]) -> Vec<String> {
        let log = Log::default();
        let mut progress = Progress::lines("run", log.clone()).every(every);
        progress.length = length;
        for event in events {
            assert!(progress.observe(event).unwrap().is_continue());
        }
        log.lines()
    }

    #[test]
    fn lines_come_now_and_then_and_at_the_end() {
        let events: Vec<Event> = (1..=4).map(event).collect();
        assert_eq!(lines(Duration::ZERO, None, &events).len(), 4);
        let rarely = lines(HOUR, None, &events);
        assert_eq!(rarely.len(), 1);
        let start = "run  4/4  loss 0.5000  rate 1  ";
        assert!(
            rarely[0].starts_with(start) && rarely[0].ends_with(" s a step  0 s left"),
            "{rarely:?}"
        );
        // A stretch of a longer run.
        assert!(lines(HOUR, Some(8), &events).is_empty());
        let quiet = Event {
            quiet: true,
            ..event(4)
        };
        assert!(lines(HOUR, None, &[quiet]).is_empty());
    }

    #[test]
    fn runs_of_unknown_length_have_no_end() {
        let unknown = Event {
            length: None,
            noisy: None,
            ..event(3)
        };
        let lines = lines(Duration::ZERO, None, &[unknown]);
        assert!(lines[0].starts_with("run  3  rate 1  "), "{lines:?}");
        assert!(lines[0].ends_with(" s a step"), "{lines:?}");
    }

    #[test]
    fn zeros_have_no_sign_and_numbers_are_smoothed() {
        let with = |noisy| Event {
            noisy: Some(noisy),
            ..event(1)
        };
        let lines = lines(Duration::ZERO, None, &[with(-1e-9), with(1.0)]);
        assert!(lines[0].contains("loss 0.0000"), "{lines:?}");
        assert!(lines[1].contains("loss 0.0200"), "{lines:?}");
    }

    #[test]
    fn what_is_said_once() {
        let with = |position| Event {
            note: Some("bad"),
            ..event(position)
        };
        let lines = lines(HOUR, None, &[with(2), with(3)]);
        assert_eq!(lines, ["run  bad at 2"]);
    }
}
