//! Where a step goes.

use advect_core::{Coefficient, Result, Time, check};

/// The time of a step, from a start to an end: the same for all samples, or each its own. The end is before the start backwards in time.
#[derive(Debug, Clone, PartialEq)]
pub enum Interval {
    /// One step for the whole batch.
    Shared {
        /// Where it starts.
        start: f64,
        /// Where it ends.
        end: f64,
    },
    /// One for each sample.
    PerSample {
        /// Where they start.
        start: Vec<f64>,
        /// Where they end.
        end: Vec<f64>,
    },
}

/// The place c of an interval; its ends exactly, which a sum would miss by its rounding.
fn place(start: f64, end: f64, c: f64) -> f64 {
    match c {
        1.0 => end,
        c => start + c * (end - start),
    }
}

impl Interval {
    /// The time `start + c h`, with h the size of the step; the end itself for c = 1.
    ///
    /// # Errors
    /// [`Error`](advect_core::Error) for times that are not finite.
    pub fn time(&self, c: f64) -> Result<Time> {
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

    /// The factor `w h`.
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
