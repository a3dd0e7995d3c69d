//! Equal steps of time.

use advect_core::Result;
use advect_paths::schedule::Schedule;

use super::given_times::span;
use super::{Grid, check_steps};
use crate::Level;

/// The times `t_i = start + i/n (end − start)`, for i = 0 … n.
///
/// ```
/// use advect_paths::schedule::CondOt;
/// use advect_samplers::grid::{Grid, UniformTime};
/// # fn main() -> advect_core::Result<()> {
/// let levels = UniformTime::new(4)?.levels(&CondOt::default())?;
/// assert_eq!(levels.iter().map(|l| l.time).collect::<Vec<_>>(), [0.0, 0.25, 0.5, 0.75, 1.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UniformTime {
    steps: usize,
    start: f64,
    end: f64,
}

impl UniformTime {
    /// Creates n steps from 0 to 1.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for 0 steps.
    pub fn new(steps: usize) -> Result<Self> {
        UniformTime::within(steps, 0.0, 1.0)
    }

    /// Creates n steps from a start to an end. Score SDEs end at 1 − 1e-3 (1 − 1e-5 for VE), because their end is singular.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for 0 steps, or unless `0 ≤ start < end ≤ 1`.
    pub fn within(steps: usize, start: f64, end: f64) -> Result<Self> {
        check_steps(steps)?;
        let (start, end) = span(start, end)?;
        Ok(UniformTime { steps, start, end })
    }
}

impl Grid for UniformTime {
    fn levels(&self, schedule: &dyn Schedule) -> Result<Vec<Level>> {
        let time = |i: usize| match i == self.steps {
            true => self.end,
            false => self.start + (self.end - self.start) * i as f64 / self.steps as f64,
        };
        let levels = (0..=self.steps).map(|i| Level::at(schedule, time(i)));
        Ok(levels.collect())
    }
}
