//! One prediction's loss in terms of another's.

use advect_paths::Prediction;
use advect_paths::schedule::Schedule;

use super::Weighting;

/// The weights that turn the squared error of one prediction into that of another: the square of
/// [`Prediction::error_scale`].
///
/// ```
/// use advect_objectives::weighting::{AsPrediction, Weighting};
/// use advect_paths::{Prediction, schedule::CondOt};
/// // On straight paths data = x + (1 − t) velocity.
/// let weighting = AsPrediction::new(CondOt::default(), Prediction::Velocity, Prediction::Data);
/// assert!((weighting.weight(0.25) - 0.75f64.powi(2)).abs() < 1e-15);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AsPrediction<S> {
    schedule: S,
    from: Prediction,
    to: Prediction,
}

impl<S: Schedule> AsPrediction<S> {
    /// Creates the weighting that gives fields of prediction `from` the loss of prediction `to`.
    pub fn new(schedule: S, from: Prediction, to: Prediction) -> Self {
        AsPrediction { schedule, from, to }
    }

    pub(super) fn schedule(&self) -> &S {
        &self.schedule
    }
}

impl<S: Schedule> Weighting for AsPrediction<S> {
    fn weight(&self, t: f64) -> f64 {
        let scale = self.from.error_scale(self.to, &self.schedule, t);
        scale * scale
    }
}
