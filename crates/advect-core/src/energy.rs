//! Scalar functions of the state.

use candle_core::Tensor;

use crate::{Result, Time, forward_to};

/// A scalar function of time and state, with its derivative along a direction: an energy, a potential, a log-density.
///
/// Its gradient is a field, `GradientField` of advect-solvers. A network with one output is an energy as a `Potential` of advect-nn.
///
/// ```
/// use advect_core::{Energy, Result, Time, check, shape};
/// use candle_core::{Device, Tensor};
///
/// /// `½ |x|²`.
/// struct Well;
///
/// impl Energy for Well {
///     fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
///         Ok((shape::sum_squares_per_sample(x)? * 0.5)?)
///     }
///     fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
///         check::alike("dx", dx, "x", x)?;
///         Ok((self.at(t, x)?, shape::sum_per_sample(&(x * dx)?)?))
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let (x, dx) = (Tensor::new(&[[3f64, 4.0]], &Device::Cpu)?, Tensor::new(&[[1f64, 0.0]], &Device::Cpu)?);
/// let (value, along) = Well.jvp(&Time::Shared(0.0), &x, 0.0, &dx)?;
/// assert_eq!((value.to_vec1::<f64>()?, along.to_vec1::<f64>()?), (vec![12.5], vec![3.0]));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "potential")]
#[doc(alias = "EBM")]
pub trait Energy {
    /// Returns `E(t, x)`, `(batch,)`, for x of shape `(batch, ...)`. The value must be built of tracked operations.
    ///
    /// # Errors
    /// Whatever the energy reports.
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor>;

    /// Returns `E(t, x)` and `∂E/∂t dt + ∂E/∂x · dx` of each sample, both `(batch,)` and built of tracked operations; `dx` is
    /// shaped like x.
    ///
    /// # Errors
    /// As [`Energy::at`], and [`Error`](crate::Error) naming the tangent if `dx` is not like x.
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)>;
}

forward_to!([] Energy {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor>;
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)>;
});
