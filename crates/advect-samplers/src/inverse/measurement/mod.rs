//! Measurements: functions of data, with their transposed Jacobians and linear systems.

mod conjugate_gradients;
mod dense;
mod downsample;
mod linear;
mod mask;

use advect_core::{Coefficient, Error, FromFn, Result, check, forward_to};
use candle_core::{Tensor, Var};

use conjugate_gradients::conjugate_gradients;
pub use dense::Dense;
pub use downsample::Downsample;
pub use linear::Linear;
pub use mask::Mask;

/// A function `A(x1)` of data that is measured.
#[doc(alias = "forward operator")]
#[doc(alias = "degradation")]
pub trait Measurement {
    /// Returns `A(x1)` of a batch of data, `(batch, ...)`, sample by sample.
    ///
    /// # Errors
    /// Typed errors for data that does not fit.
    fn apply(&self, data: &Tensor) -> Result<Tensor>;

    /// Returns `Jᵀ v`, shaped like the data, with the Jacobian J of A at the data and v shaped like `A(x1)`. If A is
    /// linear, J is A, and the values of the data don't matter.
    ///
    /// # Errors
    /// As [`Measurement::apply`].
    fn pull(&self, data: &Tensor, v: &Tensor) -> Result<Tensor>;
}

/// A [`Measurement`] that is linear, without a constant.
///
/// Your own operator is two functions; the systems of equations that [`Pigdm`](super::Pigdm) has to solve are then
/// solved by conjugate gradients:
///
/// ```
/// use advect_core::{Coefficient, Result};
/// use advect_samplers::inverse::{LinearOperator, Measurement};
/// use candle_core::{Device, Tensor};
///
/// /// The differences of neighbours in a row of numbers.
/// struct Differences;
///
/// impl Measurement for Differences {
///     fn apply(&self, x: &Tensor) -> Result<Tensor> {
///         let n = x.dim(1)? - 1;
///         Ok((x.narrow(1, 1, n)? - x.narrow(1, 0, n)?)?)
///     }
///     fn pull(&self, _: &Tensor, v: &Tensor) -> Result<Tensor> {
///         Ok((v.pad_with_zeros(1, 1, 0)? - v.pad_with_zeros(1, 0, 1)?)?)
///     }
/// }
/// impl LinearOperator for Differences {}
///
/// # fn main() -> Result<()> {
/// let x = Tensor::new(&[[1f64, 4.0, 2.0]], &Device::Cpu)?;
/// let v = Differences.apply(&x)?; // (3, −2), and A Aᵀ v = (8, −7)
/// let solved = Differences.solve(&x, &Coefficient::Shared(1.0), 0.0, &Tensor::new(&[[8f64, -7.0]], &Device::Cpu)?)?;
/// let error = (solved - v)?.abs()?.max_all()?.to_scalar::<f64>()?;
/// assert!(error < 1e-9);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "linear inverse problem")]
pub trait LinearOperator: Measurement {
    /// Returns `(r² A Aᵀ + σ_y² I)⁻¹ v` for each sample, with `variance` r², for all or one for each sample, and
    /// `noise` σ_y². The data has the shape that A takes; its values don't matter. Operators that know more of `A Aᵀ`
    /// override this.
    ///
    /// # Errors
    /// As [`Measurement::apply`]; [`Error::Stopped`] where the matrix is singular, or too ill-conditioned for the
    /// dtype.
    fn solve(
        &self,
        data: &Tensor,
        variance: &Coefficient,
        noise: f64,
        v: &Tensor,
    ) -> Result<Tensor> {
        conjugate_gradients(
            |p| {
                let product = self.apply(&self.pull(data, p)?)?;
                Ok((variance.times(&product)? + (p * noise)?)?)
            },
            v,
        )
    }
}

forward_to!([] Measurement {
    fn apply(&self, data: &Tensor) -> Result<Tensor>;
    fn pull(&self, data: &Tensor, v: &Tensor) -> Result<Tensor>;
});

forward_to!([] LinearOperator {
    fn solve(&self, data: &Tensor, variance: &Coefficient, noise: f64, v: &Tensor) -> Result<Tensor>;
});

/// Creates a [`Measurement`] from a closure on data, which must consist of operations that candle differentiates.
/// Put it into a [`Linear`] if it is linear.
///
/// ```
/// use advect_samplers::inverse::{Measurement, measurement_fn};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let norm = measurement_fn(|x| Ok(x.sqr()?.sum_keepdim(1)?.sqrt()?));
/// let x = Tensor::new(&[[3f64, 4.0]], &Device::Cpu)?;
/// let v = Tensor::new(&[[10f64]], &Device::Cpu)?;
/// assert_eq!(norm.apply(&x)?.to_vec2::<f64>()?, [[5.0]]);
/// assert_eq!(norm.pull(&x, &v)?.to_vec2::<f64>()?, [[6.0, 8.0]]);
/// # Ok(())
/// # }
/// ```
pub fn measurement_fn<F: Fn(&Tensor) -> Result<Tensor>>(f: F) -> FromFn<F> {
    FromFn(f)
}

impl<F: Fn(&Tensor) -> Result<Tensor>> Measurement for FromFn<F> {
    fn apply(&self, data: &Tensor) -> Result<Tensor> {
        (self.0)(data)
    }

    fn pull(&self, data: &Tensor, v: &Tensor) -> Result<Tensor> {
        let data = Var::from_tensor(&data.detach())?;
        let value = advect_ops::with_graph(|| (self.0)(data.as_tensor()))?;
        check::alike("v", v, "the measurement", &value)?;
        let mut gradients = advect_ops::backward(&(value * v)?.sum_all()?)?;
        let gradient = gradients.remove(data.as_tensor()).ok_or_else(|| {
            let reason = "no graph connects its value with the data; compute it from the data by tracked operations";
            Error::detached("measurement", reason)
        })?;
        Ok(gradient.detach())
    }
}

/// Checks the numbers of a measurement.
pub(super) fn check_measured(y: &Tensor) -> Result<()> {
    check::batch("y", y)?;
    check::float("y", y)?;
    check::finite("y", y)
}

/// `y − A(x̂1)`, for data of a dtype and its copy of 32 bits or more.
pub(super) fn residual(
    measurement: &dyn Measurement,
    y: &Tensor,
    data: &Tensor,
    wide: &Tensor,
) -> Result<Tensor> {
    check::same_kind("y", y, "the states", data)?;
    let expected = measurement.apply(wide)?;
    let y = y.broadcast_as(expected.shape()).map_err(|_| {
        let accepted = format!(
            "a shape that broadcasts to {:?}, that of the measured states",
            expected.dims()
        );
        Error::shape("y", y.dims(), accepted)
    })?;
    Ok((y.to_dtype(expected.dtype())? - expected)?)
}
