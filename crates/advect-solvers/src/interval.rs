//! The interval of a step.

use advect_core::{Coefficient, Error, Result, Time, check};

/// The interval of a step from a start to an end, the same for all samples or one for each. The end is before the
/// start backwards in time.
#[derive(Debug, Clone, PartialEq)]
pub enum Interval {
    /// One interval for the whole batch.
    Shared {
        /// The time at the start.
        start: f64,
        /// The time at the end.
        end: f64,
    },
    /// An interval for each sample.
    PerSample {
        /// The times at the start.
        start: Vec<f64>,
        /// The times at the end.
        end: Vec<f64>,
    },
}

/// The place c of an interval; its ends exactly, which a sum would miss by its rounding.
#[inline]
fn place(start: f64, end: f64, c: f64) -> f64 {
    match c {
        1.0 => end,
        c => start + c * (end - start),
    }
}

impl Interval {
    /// Returns the time `start + c h`, with h the size of the step: exactly the end for c = 1.
    ///
    /// # Errors
    /// [`Error`](advect_core::Error) for times that are not finite.
    #[inline(always)]
    pub fn time(&self, c: f64) -> Result<Time> {
        // Numbers are integrated in little more time than it takes to return this from a function.
        match self {
            Interval::Shared { start, end } if place(*start, *end, c).is_finite() => {
                Ok(Time::Shared(place(*start, *end, c)))
            }
            _ => self.checked_time(c),
        }
    }

    /// Calls a function with the time `start + c h`. Without a result that is taken apart, the time is where it was made.
    #[inline(always)]
    pub(crate) fn with_time<T>(&self, c: f64, f: impl FnOnce(&Time) -> Result<T>) -> Result<T> {
        match self {
            Interval::Shared { start, end } if place(*start, *end, c).is_finite() => {
                f(&Time::Shared(place(*start, *end, c)))
            }
            _ => f(&self.checked_time(c)?),
        }
    }

    #[inline(never)]
    fn checked_time(&self, c: f64) -> Result<Time> {
        match self {
            Interval::Shared { start, end } => Ok(Time::Shared(check::finite_number(
                "t",
                place(*start, *end, c),
            )?)),
            Interval::PerSample { start, end } => {
                let times = start
                    .iter()
                    .zip(end)
                    .map(|(start, end)| place(*start, *end, c));
                Time::per_sample(&times.collect::<Vec<f64>>())
            }
        }
    }

    /// Returns the start and the end of an interval that all samples share, for methods that need one for this reason.
    pub(crate) fn shared(&self, reason: &str) -> Result<(f64, f64)> {
        match self {
            Interval::Shared { start, end } => Ok((*start, *end)),
            Interval::PerSample { .. } => Err(Error::range(
                "interval",
                "a clock for each sample",
                format!("one clock, because {reason},"),
            )),
        }
    }

    /// Returns the factor `w h`, with h the size of the step.
    #[inline]
    pub fn factor(&self, w: f64) -> Coefficient {
        match self {
            Interval::Shared { start, end } => Coefficient::Shared(w * (end - start)),
            Interval::PerSample { start, end } => {
                let factors = start.iter().zip(end).map(|(start, end)| w * (end - start));
                Coefficient::PerSample(factors.collect())
            }
        }
    }
}
