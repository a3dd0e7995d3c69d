//! Weightings: how much a time counts.
//!
//! | weighting | w(t) |
//! | --- | --- |
//! | [`Unweighted`] | 1 |
//! | any `Fn(f64) -> f64` | itself |

mod unweighted;

pub use unweighted::Unweighted;

/// The weight of a time in an objective; any function of time is one.
///
/// ```
/// use advect_objectives::weighting::{Unweighted, Weighting};
/// assert_eq!(Unweighted.weight(0.3), 1.0);
/// assert_eq!((|t: f64| t * t).weight(0.5), 0.25);
/// ```
pub trait Weighting {
    /// The weight `w(t)`; an objective reports a weight that is not finite as an error.
    fn weight(&self, t: f64) -> f64;
}

impl<F: Fn(f64) -> f64> Weighting for F {
    fn weight(&self, t: f64) -> f64 {
        self(t)
    }
}
