//! The errors that an integration allows.

use advect_core::Result;

use super::Norm;
use crate::State;

/// The errors that an integration allows in a step from x to y: `‖error / (atol + rtol · max(|x|, |y|))‖ ≤ 1`.
///
/// [`Controller::tolerances`](super::Controller::tolerances) tells them to the stepper, by way of its
/// [`Memory`](crate::stepper::Memory). A method that compares errors of its own, of several orders or of an iteration, does so in the
/// same norm.
///
/// ```
/// use advect_solvers::controller::{Norm, Tolerances};
/// # fn main() -> advect_core::Result<()> {
/// let (x, y) = ([0.0, 1.0], [0.0, 2.0]);
/// let tolerances = Tolerances { rtol: 0.5, atol: 1.0, norm: Norm::Max };
/// assert_eq!(tolerances.ratio(&[0.5, 1.0], &x, &y)?, 0.5);
/// let tolerances = Tolerances { norm: Norm::Rms, ..tolerances };
/// assert_eq!(tolerances.ratio(&[1.0, 2.0], &x, &y)?, 1.0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerances {
    /// The relative tolerance.
    pub rtol: f64,
    /// The absolute tolerance.
    pub atol: f64,
    /// The norm of the errors of all elements.
    pub norm: Norm,
}

impl Tolerances {
    /// Returns the ratio of an error of a step from x to y to what is allowed.
    ///
    /// # Errors
    /// The errors of candle.
    pub fn ratio<X: State>(&self, error: &X, x: &X, y: &X) -> Result<f64> {
        let scaled = error.scaled_error(x, y, self.rtol, self.atol)?;
        Ok(self.norm.of(scaled))
    }
}
