//! Equal weights.

use super::Weighting;

/// The weighting `w(t) = 1`.
///
/// ```
/// use advect_objectives::weighting::{Unweighted, Weighting};
/// assert_eq!(Unweighted.weight(0.9), 1.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unweighted;

impl Weighting for Unweighted {
    fn weight(&self, _: f64) -> f64 {
        1.0
    }
}
