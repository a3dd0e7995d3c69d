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

    /// The norm of ratios of errors to tolerances.
    pub(crate) fn of_ratios(self, ratios: impl ExactSizeIterator<Item = f64>) -> f64 {
        let count = ratios.len().max(1) as f64;
        match self {
            Norm::Rms => (ratios.map(|r| r * r).sum::<f64>() / count).sqrt(),
            // NaN stays NaN.
            Norm::Max => ratios.fold(0.0, |largest: f64, r| match r.abs() {
                r if r.is_nan() || largest.is_nan() => f64::NAN,
                r => largest.max(r),
            }),
        }
    }
}
