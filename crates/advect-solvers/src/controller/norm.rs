//! Norms of errors.

use advect_ops::ScaledError;

/// The norm that combines the errors of all elements into one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Norm {
    /// The root mean square: the error of a typical element meets the tolerance.
    #[default]
    Rms,
    /// The largest magnitude: the error of each element meets the tolerance.
    Max,
}

impl Norm {
    /// Returns the norm of errors that are scaled by their tolerances.
    pub fn of(self, error: ScaledError) -> f64 {
        match self {
            Norm::Rms => error.rms(),
            Norm::Max => error.largest(),
        }
    }
}
