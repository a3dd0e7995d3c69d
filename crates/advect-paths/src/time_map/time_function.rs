//! Any map of time.

use super::TimeMap;

/// A map of time by a function `f(t)` with its derivative, for networks with their own scale of time.
///
/// ```
/// use advect_paths::time_map::{TimeFunction, TimeMap};
/// let square = TimeFunction::new(|t: f64| t * t, |t: f64| 2.0 * t);
/// assert_eq!((square.at(0.5), square.slope(0.5)), (0.25, 1.0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeFunction<F, D> {
    f: F,
    d_f: D,
}

impl<F: Fn(f64) -> f64, D: Fn(f64) -> f64> TimeFunction<F, D> {
    /// Creates a map from a function and its derivative.
    pub fn new(f: F, d_f: D) -> Self {
        TimeFunction { f, d_f }
    }
}

impl<F: Fn(f64) -> f64, D: Fn(f64) -> f64> TimeMap for TimeFunction<F, D> {
    fn at(&self, t: f64) -> f64 {
        (self.f)(t)
    }
    fn slope(&self, t: f64) -> f64 {
        (self.d_f)(t)
    }
}
