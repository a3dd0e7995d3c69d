//! Distances between predictions and targets, one number for each sample.
//!
//! | distance | value for a sample of d elements, with e = prediction − target |
//! | --- | --- |
//! | [`SquaredError`] | `Σ e²/d` |
//! | [`SquaredNorm`] | `Σ e²` |
//! | [`Quadratic`] | `Σ (½ f² − f · target)`, without a constant |
//! | [`AbsoluteError`] | `Σ |e|/d` |
//! | [`Huber`] | `Σ h(e)/d`, quadratic up to δ, then linear |
//! | [`PseudoHuber`] | `√(Σ e² + c²) − c` |
//!
//! Samples of 16 bits are compared in f32. All are functions of two tensors, so your own losses can use them, too:
//!
//! ```
//! use advect_objectives::distance::{Distance, PseudoHuber, SquaredError};
//! use candle_core::{Device, Tensor};
//! # fn main() -> advect_core::Result<()> {
//! let predicted = Tensor::new(&[[3f32, 4.0], [0.0, 0.0]], &Device::Cpu)?;
//! let target = predicted.zeros_like()?;
//! assert_eq!(SquaredError.losses(&predicted, &target)?.to_vec1::<f32>()?, [12.5, 0.0]);
//! assert_eq!(PseudoHuber::new(12.0)?.losses(&predicted, &target)?.to_vec1::<f32>()?, [1.0, 0.0]);
//! # Ok(())
//! # }
//! ```

mod absolute_error;
#[cfg(test)]
mod contract;
mod huber;
mod pseudo_huber;
mod quadratic;
mod squared_error;
mod squared_norm;

use advect_core::{Result, check, forward_to, shape};
use candle_core::Tensor;

pub use absolute_error::AbsoluteError;
pub use huber::Huber;
pub use pseudo_huber::PseudoHuber;
pub use quadratic::Quadratic;
pub use squared_error::SquaredError;
pub use squared_norm::SquaredNorm;

/// A distance between predictions and targets.
pub trait Distance {
    /// Returns one number per sample, `(batch,)`, of tensors `(batch, ...)` of one shape: f64 for f64, f32 for others.
    ///
    /// # Errors
    /// Typed errors for tensors that are not alike, or empty.
    fn losses(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor>;
}

forward_to!([] Distance {
    fn losses(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor>;
});

/// Prediction and target as rows of one sample each, of at least 32 bits.
fn rows(prediction: &Tensor, target: &Tensor) -> Result<(Tensor, Tensor)> {
    check::float("prediction", prediction)?;
    check::alike("target", target, "prediction", prediction)?;
    let batch = check::batch("prediction", prediction)?;
    let rows = |x: &Tensor| shape::wide(&x.reshape((batch, ()))?);
    Ok((rows(prediction)?, rows(target)?))
}

/// `prediction − target`, as rows.
fn errors(prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
    let (prediction, target) = rows(prediction, target)?;
    Ok((prediction - target)?)
}
