//! The global norm of gradients, and their scaling.

use advect_core::{Result, check};
use advect_kernels::update::Updates;
use candle_core::{DType, Tensor};

use crate::cpu::{self, THREADS, by_dtype, host};

/// Returns the Euclidean norm of all elements of all tensors together. Squares are summed in f64: in a narrower dtype
/// they overflow or vanish long before the elements do.
///
/// ```
/// use advect_ops::update::norm;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[3e30f32], &Device::Cpu)?;
/// let y = Tensor::new(&[[4e30f32]], &Device::Cpu)?;
/// assert!((norm(&[&x, &y])? / 5e30 - 1.0).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::DType`](advect_core::Error::DType) for a tensor that is no float.
#[doc(alias = "grad norm")]
#[doc(alias = "global norm")]
pub fn norm(tensors: &[&Tensor]) -> Result<f64> {
    let total = |factor: f64| -> Result<f64> {
        let (mut total, mut elsewhere) = (0.0, None);
        #[cfg(feature = "cuda")]
        let mut on_cuda = Vec::with_capacity(tensors.len());
        for x in tensors {
            check::float("tensors", x)?;
            if x.elem_count() == 0 {
                continue;
            }
            if cpu::fits(&[x]) {
                total += squares(x, factor)?;
                continue;
            }
            #[cfg(feature = "cuda")]
            if factor == 1.0 && crate::cuda::fits(&[x]) {
                on_cuda.push(*x);
                continue;
            }
            total += add_elsewhere(&mut elsewhere, x, factor)?;
        }
        #[cfg(feature = "cuda")]
        {
            total += crate::cuda::norm::squares(&on_cuda)?;
        }
        Ok(total + elsewhere.map_or(Ok(0.0), |sum: Tensor| sum.to_scalar())?)
    };
    let squares = total(1.0)?;
    if (f64::MIN_POSITIVE..=f64::MAX).contains(&squares) {
        return Ok(squares.sqrt());
    }
    // Sums of the squares of narrower types are within f64.
    if squares.is_nan() || tensors.iter().all(|x| x.dtype() != DType::F64) {
        return Ok(squares.sqrt());
    }
    // Squares of f64 overflow or vanish, too: those of the elements over the largest don't.
    let largest = tensors.iter().map(|x| largest(x));
    let largest = largest.collect::<Result<Vec<f64>>>()?;
    let largest = largest.into_iter().fold(0.0, f64::max);
    if largest == 0.0 || largest.is_infinite() {
        return Ok(squares.sqrt());
    }
    let unit = largest.max(1e-300);
    Ok(total(1.0 / unit)?.sqrt() * unit)
}

/// The largest magnitude.
fn largest(x: &Tensor) -> Result<f64> {
    match x.elem_count() {
        0 => Ok(0.0),
        _ => Ok(x
            .detach()
            .to_dtype(DType::F64)?
            .abs()?
            .max_all()?
            .to_scalar()?),
    }
}

/// The sum of the squares of all elements times a factor, by the kernels.
fn squares(x: &Tensor, factor: f64) -> Result<f64> {
    let x = x.detach().contiguous()?;
    by_dtype!(x, T => Ok(T::sum_squares(THREADS, &host::<T>(&x)?, factor)))
}

/// Adds the squares of a tensor that the kernels don't run on to a sum where it lies, so that one answer is awaited for all tensors of a
/// device. Returns the sum so far if that is on another device.
fn add_elsewhere(sum: &mut Option<Tensor>, x: &Tensor, factor: f64) -> Result<f64> {
    let wide = x.detach().to_dtype(DType::F64)?;
    let scaled = if factor == 1.0 {
        wide
    } else {
        (wide * factor)?
    };
    let squares = scaled.sqr()?.sum_all()?;
    match sum.take() {
        Some(before) if before.device().same_device(x.device()) => {
            *sum = Some((before + squares)?);
            Ok(0.0)
        }
        before => {
            *sum = Some(squares);
            Ok(before.map_or(Ok(0.0), |sum| sum.to_scalar())?)
        }
    }
}

/// Returns `factor · x`, outside of any graph.
///
/// # Errors
/// [`Error::DType`](advect_core::Error::DType) unless x is a float.
pub fn scale(x: &Tensor, factor: f64) -> Result<Tensor> {
    crate::combine(&[(advect_core::Coefficient::Shared(factor), &x.detach())])
}
