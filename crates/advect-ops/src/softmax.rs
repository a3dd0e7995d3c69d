//! Softmax over the last dimension.

use advect_core::{Error, Result, check, shape};
use advect_kernels::softmax::Softmax as _;
use candle_core::{D, Tensor};

use crate::cpu::{THREADS, by_dtype, host, tensor};
use crate::operation::{Operation, Output, Tangent};
use crate::{Dual, Value};

/// Returns `e^(x_i) / Σ_j e^(x_j)` over the last dimension, with the largest element subtracted first.
///
/// ```
/// use advect_ops::softmax;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let y = softmax(&Tensor::new(&[[1000f64, 1000.0], [0.0, f64::NEG_INFINITY]], &Device::Cpu)?)?;
/// assert_eq!(y.to_vec2::<f64>()?, [[0.5, 0.5], [1.0, 0.0]]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::DType`] unless x is a float, [`Error::Shape`] for a scalar.
pub fn softmax<V: Value>(x: &V) -> Result<V> {
    check::float("x", x.primal())?;
    if x.primal().rank() == 0 {
        return Err(Error::shape("x", &[], "(..., n)"));
    }
    V::apply(Softmax, &[x], &[])
}

/// The value by candle's operations, in at least 32 bits.
pub(crate) fn compose<V: Value>(x: &V) -> Result<V> {
    if x.primal().elem_count() == 0 {
        return Ok(x.clone());
    }
    let dtype = x.primal().dtype();
    let x = x.map_linear(shape::wide)?;
    let largest = x.primal().detach().max_keepdim(D::Minus1)?.neg()?;
    let e = x.plus(&V::constant(largest))?;
    let e = e.map_elements(|x| Ok(x.exp()?), |x| Ok(x.exp()?))?;
    let sum = e.map_linear(|e| Ok(e.sum_keepdim(D::Minus1)?))?;
    let inverse = |x: &Tensor| Ok(x.recip()?);
    let inverse = sum.map_elements(inverse, |x| Ok(x.sqr()?.recip()?.neg()?))?;
    let y = e.times(&inverse)?;
    y.map_linear(|y| Ok(y.to_dtype(dtype)?))
}

#[derive(Clone, Copy)]
pub(crate) struct Softmax;

impl Operation for Softmax {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        compose(inputs[0])
    }

    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Output, ())> {
        let x = inputs[0];
        by_dtype!(x, T => {
            let y = T::softmax(THREADS, &host::<T>(x)?, width(x));
            Ok((Output::new(y, x.shape()), ()))
        })
    }

    /// `y (g − Σ_j y_j g_j)`.
    fn backward(
        &self,
        _: &[&Tensor],
        value: &Tensor,
        (): &(),
        gradient: &Tensor,
        _: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        by_dtype!(value, T => {
            let (y, g) = (host::<T>(value)?, host::<T>(gradient)?);
            let dx = T::softmax_backward(THREADS, &y, &g, width(value));
            Ok(vec![Some(tensor(dx, value.shape())?)])
        })
    }

    #[cfg(feature = "cuda")]
    fn on_cuda(&self, _: &[&Tensor]) -> Option<Box<dyn crate::cuda::OnCuda>> {
        Some(Box::new(*self))
    }
}

impl Tangent for Softmax {
    fn jvp(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<(Tensor, Tensor)> {
        compose(&Dual::from_parts(inputs[0].clone(), tangents[0].cloned()))?.into_parts()
    }
}

fn width(x: &Tensor) -> usize {
    x.dims().last().copied().unwrap_or(1).max(1)
}
