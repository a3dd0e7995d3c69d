//! Energies of networks whose output is shaped like their input.

use advect_core::{Jvp, Result, Time, shape};
use candle_core::Tensor;

use super::Energy;

/// The energy `E(t, x) = Σ_i f_i(t, x)`, the sum of a field's elements. It makes an energy of any network with a
/// forward mode, whose last layer is then summed.
///
/// ```
/// use advect_core::{Field, Jvp, Result, Time};
/// use advect_solvers::energy::{Energy, Summed};
/// use candle_core::{Device, Tensor};
///
/// /// `f(x) = x²`, elementwise.
/// struct Square;
/// impl Field for Square {
///     fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
///         Ok(x.sqr()?)
///     }
/// }
/// impl Jvp for Square {
///     fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
///         Ok((self.at(t, x)?, ((x * dx)? * 2.0)?))
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let x = Tensor::new(&[[1f64, 2.0], [3.0, 4.0]], &Device::Cpu)?;
/// let (value, along) = Summed(Square).jvp(&Time::Shared(0.0), &x, 0.0, &x.ones_like()?)?;
/// assert_eq!(value.to_vec1::<f64>()?, [5.0, 25.0]);
/// assert_eq!(along.to_vec1::<f64>()?, [6.0, 14.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Summed<F>(pub F);

impl<F: Jvp> Energy for Summed<F> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        shape::sum_per_sample(&self.0.at(t, x)?)
    }

    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        let (value, along) = self.0.jvp(t, x, dt, dx)?;
        Ok((
            shape::sum_per_sample(&value)?,
            shape::sum_per_sample(&along)?,
        ))
    }
}
