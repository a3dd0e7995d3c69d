//! The speed of a run.

use std::time::Duration;

use advect_core::Instant;

use super::Trainer;

/// The time at which a stretch of a run began, and its first step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    begun: Instant,
    first: usize,
}

impl Clock {
    pub(super) fn starting_at(step: usize) -> Self {
        Clock {
            begun: Instant::now(),
            first: step,
        }
    }
}

impl<O> Trainer<O> {
    /// Returns the mean number of steps made in a second since the current or last [`run`](Trainer::run) began, its
    /// observers included. `None` before its first step.
    pub fn steps_per_second(&self) -> Option<f64> {
        let clock = self.clock?;
        let (made, seconds) = (
            self.step.saturating_sub(clock.first),
            clock.begun.elapsed().as_secs_f64(),
        );
        (made > 0 && seconds > 0.0).then(|| made as f64 / seconds)
    }

    /// Returns the mean number of samples seen in a second, as [`Trainer::steps_per_second`]. `None` without
    /// [`Trainer::batches`].
    #[doc(alias = "throughput")]
    pub fn samples_per_second(&self) -> Option<f64> {
        let size = self.epochs.as_ref()?.size();
        Some(self.steps_per_second()? * size as f64)
    }

    /// Returns the time that the rest of the current run takes at its mean speed.
    #[doc(alias = "ETA")]
    pub fn time_left(&self) -> Option<Duration> {
        let left = self.until?.saturating_sub(self.step);
        Duration::try_from_secs_f64(left as f64 / self.steps_per_second()?).ok()
    }
}
