//! The direction in which a stochastic process runs.

/// The direction of a stochastic process between t = 0 and t = 1.
///
/// One process has two equations, `dx = b₊ dt + σ dw` from 0 to 1 and `dx = b₋ dt + σ dw` from 1 to 0. Both drifts
/// are rates of change with t, whichever way time runs: `b₊ = u + ½ σ² s` and `b₋ = u − ½ σ² s`, with the velocity u
/// of the ordinary equation of the same marginals, and their score s (Nelson 1967; Anderson 1982). A solver that goes
/// from 1 to 0 takes `b₋` as it is. Papers that count time from the target write `−b₋`.
///
/// ```
/// use advect_paths::Direction;
/// assert_eq!((Direction::Forwards.start(), Direction::Forwards.end()), (0.0, 1.0));
/// assert_eq!(Direction::Backwards.start(), 1.0);
/// assert_eq!(Direction::Backwards.reversed(), Direction::Forwards);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the source at t = 0 to the target at t = 1.
    Forwards,
    /// From the target at t = 1 to the source at t = 0.
    Backwards,
}

impl Direction {
    /// Returns the time at which the process starts: 0 or 1.
    pub fn start(self) -> f64 {
        match self {
            Direction::Forwards => 0.0,
            Direction::Backwards => 1.0,
        }
    }

    /// Returns the time at which the process ends: 1 or 0.
    pub fn end(self) -> f64 {
        self.reversed().start()
    }

    /// Returns the other direction.
    pub fn reversed(self) -> Self {
        match self {
            Direction::Forwards => Direction::Backwards,
            Direction::Backwards => Direction::Forwards,
        }
    }

    /// Returns the time from t to the end: `1 − t` or `t`.
    pub fn remaining(self, t: f64) -> f64 {
        (self.end() - t).abs()
    }

    /// Returns the sign of a change of t: 1 or −1.
    pub fn sign(self) -> f64 {
        self.end() - self.start()
    }
}
