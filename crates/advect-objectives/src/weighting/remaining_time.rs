//! Weighting by the remaining time, for drifts of bridges.

use advect_paths::Direction;

use super::Weighting;

/// The weighting `w(t) = 1 − t` forwards and `w(t) = t` backwards: the time from t to the end.
///
/// The drift of a Brownian bridge, `(x1 − x_t)/(1 − t)`, has the variance `σ² t/(1 − t)` given its ends, whose mean
/// over t is infinite. With this weight it is `σ² t` at every time, and the loss is finite on all of [0, 1]; the
/// field that minimises it stays the same.
///
/// ```
/// use advect_objectives::weighting::{RemainingTime, Weighting};
/// use advect_paths::Direction;
/// assert_eq!(RemainingTime::new(Direction::Forwards).weight(0.25), 0.75);
/// assert_eq!(RemainingTime::new(Direction::Backwards).weight(0.25), 0.25);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RemainingTime {
    direction: Direction,
}

impl RemainingTime {
    /// Creates the weighting for a drift in this direction.
    pub fn new(direction: Direction) -> Self {
        RemainingTime { direction }
    }
}

impl Weighting for RemainingTime {
    fn weight(&self, t: f64) -> f64 {
        self.direction.remaining(t)
    }
}
