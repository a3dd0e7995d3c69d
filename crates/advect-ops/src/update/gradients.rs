//! The global norm of gradients, and their scaling.

use advect_core::{Result, parallel};
use candle_core::{DType, Tensor};
use pulp::{Arch, Simd, WithSimd};

use super::PIECE;
use crate::cpu::{self, Float, by_dtype, host, sums};

/// The Euclidean norm of all elements of all tensors together. Squares are summed in f64: in a narrower dtype they
/// overflow or vanish long before the elements do.
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
/// Those of candle.
pub fn norm(tensors: &[&Tensor]) -> Result<f64> {
    let mut total = 0.0;
    for x in tensors {
        total += squares(x)?;
    }
    Ok(total.sqrt())
}

fn squares(x: &Tensor) -> Result<f64> {
    let x = x.detach();
    if !cpu::fits(&[&x]) {
        return Ok(x.to_dtype(DType::F64)?.sqr()?.sum_all()?.to_scalar()?);
    }
    let x = x.contiguous()?;
    by_dtype!(x, T => {
        let x = host::<T>(&x)?;
        Ok(parallel::sum(x.len(), PIECE, x.len() / 4, |range| {
            Arch::new().dispatch(Squares(&x[range]))
        }))
    })
}

struct Squares<'a, T>(&'a [T]);

impl<T: Float> WithSimd for Squares<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        sums::sum(self.0, 0f64, |x| {
            let x = x.to_f64();
            x * x
        })
    }
}

/// `factor · x`, outside of any graph.
///
/// # Errors
/// Those of candle.
pub fn scale(x: &Tensor, factor: f64) -> Result<Tensor> {
    crate::combine(&[(advect_core::Coefficient::Shared(factor), &x.detach())])
}
