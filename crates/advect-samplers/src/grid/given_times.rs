//! Your own times.

use advect_core::{Error, Result};
use advect_paths::schedule::Schedule;

use super::Grid;
use crate::Level;

/// Your own times, which rise within \[0, 1\].
///
/// ```
/// use advect_samplers::grid::GivenTimes;
/// assert!(GivenTimes::new(&[0.0, 0.5, 0.9, 1.0]).is_ok());
/// let error = GivenTimes::new(&[0.0, 0.9, 0.5]).unwrap_err().to_string();
/// assert_eq!(error, "times: got [0.0, 0.9, 0.5], expected a list of at least two times that rises within [0, 1]");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct GivenTimes(Vec<f64>);

impl GivenTimes {
    /// Creates a grid of these times.
    ///
    /// # Errors
    /// [`Error::Range`] unless there are two or more, and they rise strictly within \[0, 1\].
    pub fn new(times: &[f64]) -> Result<Self> {
        // Without the sign of a zero.
        let times: Vec<f64> = times.iter().map(|t| t + 0.0).collect();
        let inside = times.iter().all(|t| (0.0..=1.0).contains(t));
        if times.len() < 2 || !inside || !times.windows(2).all(|w| w[0] < w[1]) {
            let accepted = "a list of at least two times that rises within [0, 1]";
            return Err(Error::range("times", format!("{times:?}"), accepted));
        }
        Ok(GivenTimes(times))
    }
}

impl Grid for GivenTimes {
    fn levels(&self, schedule: &dyn Schedule) -> Result<Vec<Level>> {
        let levels = self.0.iter().map(|&t| Level::at(schedule, t));
        Ok(levels.collect())
    }
}

/// A start and an end within \[0, 1\].
pub(crate) fn span(start: f64, end: f64) -> Result<(f64, f64)> {
    if 0.0 <= start && start < end && end <= 1.0 {
        return Ok((start, end));
    }
    let accepted = "a span with 0 ≤ start < end ≤ 1";
    Err(Error::range(
        "start, end",
        format!("{} to {}", start + 0.0, end + 0.0),
        accepted,
    ))
}
