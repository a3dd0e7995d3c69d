//! Linear measurements of any kind.

use advect_core::Result;
use candle_core::Tensor;

use super::{LinearOperator, Measurement};

/// A [`Measurement`] that is known to be linear, such as a closure: the transpose is found by candle's backward pass,
/// and systems of equations are solved by conjugate gradients.
///
/// ```
/// use advect_core::Coefficient;
/// use advect_samplers::inverse::{Linear, LinearOperator, Measurement, measurement_fn};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let sum = Linear(measurement_fn(|x| Ok(x.sum_keepdim(1)?)));
/// let x = Tensor::new(&[[1f64, 2.0, 3.0]], &Device::Cpu)?;
/// // A Aᵀ = 3.
/// let solved = sum.solve(&x, &Coefficient::Shared(2.0), 1.0, &Tensor::new(&[[14f64]], &Device::Cpu)?)?;
/// assert!((solved.to_vec2::<f64>()?[0][0] - 2.0).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
///
/// That it is linear is not checked: with another function, results mean nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Linear<M>(pub M);

impl<M: Measurement> Measurement for Linear<M> {
    fn apply(&self, data: &Tensor) -> Result<Tensor> {
        self.0.apply(data)
    }

    fn pull(&self, data: &Tensor, v: &Tensor) -> Result<Tensor> {
        self.0.pull(data, v)
    }
}

impl<M: Measurement> LinearOperator for Linear<M> {}
