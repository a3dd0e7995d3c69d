//! The logarithm of softmax at chosen elements.

use std::borrow::Cow;

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
///
/// Where x and the indices are on one CUDA device, kernels read them there, and the host doesn't wait for them: an index that isn't below n is no error
/// then, but makes its row's value and gradient NaN.
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
    let (device, some) = (flat.device(), flat.elem_count() > 0);
    let beside = device.is_cuda() && device.same_device(primal.device());
    let chosen = match flat.dtype() {
        DType::U8 | DType::U32 | DType::I64 if beside && some => {
            Chosen::There(flat.to_dtype(DType::I64)?.contiguous()?, width)
        }
        _ => Chosen::Here(on_host(&flat, width)?),
    };
    V::apply(At { chosen }, &[&x.map_linear(shape::wide)?], &[])
}

/// Indices below a width, in the CPU's memory.
fn on_host(chosen: &Tensor, width: usize) -> Result<Vec<u32>> {
    let indices = check::labels("chosen", chosen, chosen.elem_count(), width)?;
    Ok(indices.into_iter().map(|i| i as u32).collect())
}

/// The index of each row.
#[derive(Clone)]
pub(crate) enum Chosen {
    /// Checked, in the CPU's memory.
    Here(Vec<u32>),
    /// On the device of x, in i64, and what they are to be below.
    There(Tensor, usize),
}

impl Chosen {
    fn on_host(&self) -> Result<Cow<'_, [u32]>> {
        match self {
            Chosen::Here(indices) => Ok(Cow::Borrowed(indices)),
            Chosen::There(indices, width) => Ok(Cow::Owned(on_host(indices, *width)?)),
        }
    }
}

struct At {
    chosen: Chosen,
}

impl At {
    /// The value by candle's operations.
    fn composed<V: Value>(&self, x: &V) -> Result<V> {
        let primal = x.primal();
        let rows = primal.dims()[..primal.rank() - 1].to_vec();
        let chosen = self.chosen.on_host()?;
        if chosen.is_empty() {
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
        let (count, device) = (chosen.len(), primal.device());
        let chosen = Tensor::from_slice(&chosen, (count, 1), device)?;
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
        let chosen = self.chosen.on_host()?;
        by_dtype!(x, T => {
            let y = T::log_softmax_at(THREADS, &host::<T>(x)?, width, &chosen);
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
        let chosen = self.chosen.on_host()?;
        by_dtype!(x, T => {
            let (values, g) = (host::<T>(x)?, host::<T>(gradient)?);
            let dx = T::log_softmax_at_backward(THREADS, &values, width(x), &chosen, &g);
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
