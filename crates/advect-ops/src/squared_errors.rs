//! Squared errors of samples, in one pass each way, as most losses need them.

use advect_core::{Result, check, shape};
use advect_kernels::squared_errors::SquaredErrors as _;
use candle_core::Tensor;

use crate::Value;
use crate::cpu::{THREADS, by_dtype, host, tensor};
use crate::operation::{Operation, Output, Tangent, apply};

/// Returns `Σ (x − y)²` over each sample of batches `(batch, ...)` of one shape: `(batch,)`, differentiable in both.
/// Samples of 16 bits are summed in f32, and the sums are returned in f32.
///
/// ```
/// use advect_ops::squared_errors;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[1f32, 2.0], [3.0, 4.0]], &Device::Cpu)?;
/// let y = Tensor::new(&[[1f32, 0.0], [0.0, 0.0]], &Device::Cpu)?;
/// assert_eq!(squared_errors(&x, &y)?.to_vec1::<f32>()?, [4.0, 25.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Empty`](advect_core::Error::Empty) for an empty batch, [`Error`](advect_core::Error) naming `y` if it is not like
/// x, [`Error::DType`](advect_core::Error::DType) unless they are floats.
#[doc(alias = "MSE")]
#[doc(alias = "mse_loss")]
pub fn squared_errors<V: Value>(x: &V, y: &V) -> Result<V> {
    check::batch("x", x.primal())?;
    check::float("x", x.primal())?;
    check::alike("y", y.primal(), "x", x.primal())?;
    V::apply(SquaredErrors, &[x, y], &[])
}

pub(crate) struct SquaredErrors;

impl Operation for SquaredErrors {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        // Widened first: squares, and gradients of means, are beyond what f16 holds.
        shape::sum_squares_per_sample(&(shape::wide(inputs[0])? - shape::wide(inputs[1])?)?)
    }

    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Output, ())> {
        let batch = inputs[0].dims()[0];
        by_dtype!(inputs[0], T => {
            let (x, y) = (host::<T>(inputs[0])?, host::<T>(inputs[1])?);
            Ok((Output::new(T::squared_errors(THREADS, &x, &y, batch), batch), ()))
        })
    }

    fn backward(
        &self,
        inputs: &[&Tensor],
        _: &Tensor,
        (): &(),
        gradient: &Tensor,
        wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        by_dtype!(inputs[0], T => {
            let (x, y) = (host::<T>(inputs[0])?, host::<T>(inputs[1])?);
            let factors = host::<T>(gradient)?;
            let slope = |c: f64| {
                let values = T::differences(THREADS, &x, &y, &factors, c as T);
                tensor(values, inputs[0].shape())
            };
            let each = |(c, &wanted): (f64, &bool)| wanted.then(|| slope(c)).transpose();
            [2.0, -2.0].into_iter().zip(wanted).map(each).collect()
        })
    }

    #[cfg(feature = "cuda")]
    fn on_cuda(&self, _: &[&Tensor]) -> Option<Box<dyn crate::cuda::OnCuda>> {
        Some(Box::new(SquaredErrors))
    }
}

impl Tangent for SquaredErrors {
    fn jvp(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<(Tensor, Tensor)> {
        let value = apply(SquaredErrors, inputs)?;
        let tangent = |k: usize| tangents[k].map(shape::wide).transpose();
        let error = (shape::wide(inputs[0])? - shape::wide(inputs[1])?)?;
        let change = match (tangent(0)?, tangent(1)?) {
            (Some(dx), Some(dy)) => (dx - dy)?,
            (Some(dx), None) => dx,
            (None, Some(dy)) => dy.neg()?,
            (None, None) => error.zeros_like()?,
        };
        let slope = shape::sum_per_sample(&((error * change)? * 2.0)?)?;
        Ok((value, slope))
    }
}
