//! Invertible functions of one number, with parameters from a network.
//!
//! | transformer | function | parameters |
//! | --- | --- | --- |
//! | [`Affine`] | `x e^s + m` | 2 |
//! | [`RationalQuadraticSpline`] | a monotone spline of K bins, the identity outside | 3 K − 1 |

mod affine;
mod rational_quadratic_spline;

use advect_core::Result;
use candle_core::Tensor;

pub use affine::Affine;
pub use rational_quadratic_spline::RationalQuadraticSpline;

/// An invertible function of one number, applied to each element of a batch with its own parameters.
pub trait Transformer {
    /// Returns the number of parameters of an element.
    fn parameters(&self) -> usize;

    /// Returns y and `ln |dy/dx|`, like x, for elements `(batch, n)` with parameters `(batch, parameters, n)`.
    ///
    /// # Errors
    /// Errors of candle.
    fn forward(&self, x: &Tensor, parameters: &Tensor) -> Result<(Tensor, Tensor)>;

    /// Returns x and `ln |dx/dy|`, like y.
    ///
    /// # Errors
    /// Errors of candle.
    fn inverse(&self, y: &Tensor, parameters: &Tensor) -> Result<(Tensor, Tensor)>;
}
