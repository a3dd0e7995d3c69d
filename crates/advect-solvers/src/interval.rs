//! Where a step goes.

use advect_core::{Coefficient, Result, Time};

/// From t to t + h: the same for all samples, or each its own. h is negative backwards in time.
#[derive(Debug, Clone, PartialEq)]
pub enum Interval {
    /// One step for the whole batch.
    Shared {
        /// Where it starts.
        t: f64,
        /// Its size.
        h: f64,
    },
    /// One for each sample.
    PerSample {
        /// Where they start.
        t: Vec<f64>,
        /// Their sizes.
        h: Vec<f64>,
    },
}

impl Interval {
    /// The time `t + c h`.
    ///
    /// # Errors
    /// [`Error`](advect_core::Error) for times that are not finite.
    pub fn time(&self, c: f64) -> Result<Time> {
        match self {
            Interval::Shared { t, h } => Ok(Time::Shared(t + c * h)),
            Interval::PerSample { t, h } => {
                let times: Vec<f64> = t.iter().zip(h).map(|(t, h)| t + c * h).collect();
                Time::per_sample(&times)
            }
        }
    }

    /// The factor `w h`.
    pub fn factor(&self, w: f64) -> Coefficient {
        match self {
            Interval::Shared { h, .. } => Coefficient::Shared(w * h),
            Interval::PerSample { h, .. } => {
                Coefficient::PerSample(h.iter().map(|h| w * h).collect())
            }
        }
    }
}
