//! Scalar functions of the state, and fields that are their gradients.
//!
//! | | |
//! | --- | --- |
//! | [`Energy`] | `E(t, x)`, one number for each sample |
//! | [`Summed`] | the sum of a field's elements, as an energy |
//! | [`GradientField`] | `∇_x E(t, x)`, which can be integrated and trained through |

mod gradient_field;
mod summed;

use advect_core::{Result, Time};
use candle_core::Tensor;

pub use gradient_field::GradientField;
pub use summed::Summed;

/// A scalar function of time and state, with its derivative along a direction of the state: an energy, a potential, a
/// log-density.
///
/// A forward pass that is written once for any [`Value`](advect_ops::Value) gives both methods:
///
/// ```
/// use advect_core::{Result, Time};
/// use advect_ops::{Activation, Dual, Value, linear};
/// use advect_solvers::energy::Energy;
/// use candle_core::{Device, Tensor};
///
/// /// `½ |tanh(x Wᵀ)|²`.
/// struct Well(Tensor);
///
/// impl Well {
///     fn forward<V: Value>(&self, x: &V) -> Result<V> {
///         let h = linear(x, &self.0, None, Activation::Tanh)?;
///         h.times(&h)?.map_linear(|squares| Ok((squares.sum(1)? * 0.5)?))
///     }
/// }
///
/// impl Energy for Well {
///     fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
///         self.forward(x)
///     }
///
///     fn jvp(&self, _: &Time, x: &Tensor, dx: &Tensor) -> Result<(Tensor, Tensor)> {
///         self.forward(&Dual::new(x.clone(), dx.clone())?)?.into_parts()
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let well = Well(Tensor::new(&[[1f64, 0.0]], &Device::Cpu)?);
/// let x = Tensor::new(&[[0.5f64, 7.0]], &Device::Cpu)?;
/// let (value, along) = well.jvp(&Time::Shared(0.0), &x, &x.ones_like()?)?;
/// let tanh = 0.5f64.tanh();
/// assert!((value.to_vec1::<f64>()?[0] - 0.5 * tanh * tanh).abs() < 1e-14);
/// assert!((along.to_vec1::<f64>()?[0] - tanh * (1.0 - tanh * tanh)).abs() < 1e-14);
/// # Ok(())
/// # }
/// ```
pub trait Energy {
    /// `E(t, x)`, `(batch,)`, for x of shape `(batch, ...)`, built of tracked operations.
    ///
    /// # Errors
    /// Whatever the energy reports.
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor>;

    /// `E(t, x)` and `∂E/∂x · dx` of each sample, both `(batch,)` and built of tracked operations; `dx` is shaped like x.
    ///
    /// # Errors
    /// As [`Energy::at`], and [`Error`](advect_core::Error) naming the tangent if `dx` is not like x.
    fn jvp(&self, t: &Time, x: &Tensor, dx: &Tensor) -> Result<(Tensor, Tensor)>;
}
