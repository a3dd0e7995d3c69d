//! The logarithm of softmax at chosen elements.

use advect_core::{Error, Result, check, shape};
use advect_kernels::log_softmax::LogSoftmax as _;
use candle_core::{D, DType, Tensor};

use crate::cpu::{THREADS, by_dtype, host, tensor};
use crate::operation::{Operation, Output, Tangent};
use crate::{Dual, Value};

/// Returns `x_c − ln Σ_j e^(x_j)` over the last dimension of x, `(..., n)`, for indices c below n, `(...)` of u8, u32 or i64: the log-probability
/// of the class c with logits x. The value has the shape of the indices, and 32 bits at least.
///
/// ```
/// use advect_ops::log_softmax_at;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let logits = Tensor::new(&[[1000f64, 1000.0], [0.0, 3f64.ln()]], &Device::Cpu)?;
/// let chosen = Tensor::new(&[0u32, 1], &Device::Cpu)?;
/// let y = log_softmax_at(&logits, &chosen)?.to_vec1::<f64>()?;
/// assert!((y[0] - 0.5f64.ln()).abs() < 1e-15 && (y[1] - 0.75f64.ln()).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::DType`] unless x is a float, [`Error::Shape`] for a scalar; [`Error`] naming `chosen` unless it is an index for each row of x.
#[doc(alias = "cross entropy")]
#[doc(alias = "log_softmax")]
#[doc(alias = "NLLLoss")]
pub fn log_softmax_at<V: Value>(x: &V, chosen: &Tensor) -> Result<V> {
    let primal = x.primal();
    check::float("x", primal)?;
    let Some((&width, rows)) = primal.dims().split_last() else {
        return Err(Error::shape("x", &[], "(..., n)"));
    };
    if chosen.dims() != rows {
        let accepted = format!("{rows:?}, one index for each row of x");
        return Err(Error::shape("chosen", chosen.dims(), accepted));
    }
    // Both are copied: views may be larger than what is in memory.
    check::memory("x", primal.dims(), DType::F32)?;
    check::memory("chosen", rows, DType::I64)?;
    let flat = chosen.flatten_all()?;
    let indices = check::labels("chosen", &flat, flat.elem_count(), width)?;
    let chosen = indices.into_iter().map(|i| i as u32).collect();
    V::apply(At { chosen }, &[&x.map_linear(shape::wide)?], &[])
}

struct At {
    /// The index of each row.
    chosen: Vec<u32>,
}

impl At {
    /// The value by candle's operations.
    fn composed<V: Value>(&self, x: &V) -> Result<V> {
        let primal = x.primal();
        let rows = primal.dims()[..primal.rank() - 1].to_vec();
        if self.chosen.is_empty() {
            return Ok(V::constant(Tensor::zeros(
                rows,
                primal.dtype(),
                primal.device(),
            )?));
        }
        let largest = primal.detach().max_keepdim(D::Minus1)?.neg()?;
        let x = x.plus(&V::constant(largest))?;
        let e = x.map_elements(|x| Ok(x.exp()?), |x| Ok(x.exp()?))?;
        let sum = e.map_linear(|e| Ok(e.sum(D::Minus1)?))?;
        let log = sum.map_elements(|x| Ok(x.log()?.neg()?), |x| Ok(x.recip()?.neg()?))?;
        let (count, device) = (self.chosen.len(), primal.device());
        let chosen = Tensor::from_slice(&self.chosen, (count, 1), device)?;
        let at = x.map_linear(|x| {
            let x = x.reshape((count, ()))?.contiguous()?;
            Ok(x.gather(&chosen, 1)?.reshape(&rows[..])?)
        })?;
        at.plus(&log)
    }
}

impl Operation for At {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        self.composed(inputs[0])
    }

    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Output, ())> {
        let x = inputs[0];
        let (rows, width) = (&x.dims()[..x.rank() - 1], width(x));
        by_dtype!(x, T => {
            let y = T::log_softmax_at(THREADS, &host::<T>(x)?, width, &self.chosen);
            Ok((Output::new(y, rows), ()))
        })
    }

    fn backward(
        &self,
        inputs: &[&Tensor],
        _: &Tensor,
        (): &(),
        gradient: &Tensor,
        _: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let x = inputs[0];
        by_dtype!(x, T => {
            let (values, g) = (host::<T>(x)?, host::<T>(gradient)?);
            let dx = T::log_softmax_at_backward(THREADS, &values, width(x), &self.chosen, &g);
            Ok(vec![Some(tensor(dx, x.shape())?)])
        })
    }

    #[cfg(feature = "cuda")]
    fn on_cuda(&self, _: &[&Tensor]) -> Option<Box<dyn crate::cuda::OnCuda>> {
        let chosen = self.chosen.clone();
        Some(Box::new(crate::cuda::log_softmax::At { chosen }))
    }
}

impl Tangent for At {
    fn jvp(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<(Tensor, Tensor)> {
        let dual = Dual::from_parts(inputs[0].clone(), tangents[0].cloned());
        self.composed(&dual)?.into_parts()
    }
}

fn width(x: &Tensor) -> usize {
    x.dims().last().copied().unwrap_or(1).max(1)
}
