//! The size of a step's error, measured against tolerances, in one pass.

use advect_core::{Result, check, parallel};
use candle_core::{DType, Tensor};
use pulp::{Arch, Simd, WithSimd};

use crate::cpu::{self, Float, by_dtype, host};

/// `RMS(e / (atol + rtol · max(|x|, |y|)))` over all elements, summed in f64 (Hairer, Nørsett and Wanner, Solving
/// Ordinary Differential Equations I, eq. II.4.11). NaN or infinite if an element of the quotient is.
///
/// ```
/// use advect_ops::error_norm;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let e = Tensor::new(&[3.0f32, 4.0], &Device::Cpu)?;
/// let x = Tensor::new(&[0.0f32, -10.0], &Device::Cpu)?;
/// let norm = error_norm(&e, &x, &x.neg()?, 0.1, 1.0)?;
/// assert!((norm - ((9.0 + 4.0) / 2f64).sqrt()).abs() < 1e-7);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error`](advect_core::Error) naming `x` or `y` if they are not like `error`, or `error` if it is no float or empty.
pub fn error_norm(error: &Tensor, x: &Tensor, y: &Tensor, rtol: f64, atol: f64) -> Result<f64> {
    check::float("error", error)?;
    check::alike("x", x, "error", error)?;
    check::alike("y", y, "error", error)?;
    let count = error.elem_count();
    if count == 0 {
        let argument = "error".into();
        return Err(advect_core::Error::Empty { argument });
    }
    if !cpu::fits(&[error]) {
        return compose(error, x, y, rtol, atol);
    }
    let (error, x, y) = (error.contiguous()?, x.contiguous()?, y.contiguous()?);
    let sum: Result<f64> = by_dtype!(error, T => {
        let (error, x, y) = (host::<T>(&error)?, host::<T>(&x)?, host::<T>(&y)?);
        // The pieces don't depend on the number of threads, so neither does their sum.
        Ok(parallel::sum(count, PIECE, count / 2, |range| {
            let (error, x, y) = (&error[range.clone()], &x[range.clone()], &y[range]);
            Arch::new().dispatch(Squares { error, x, y, rtol: T::of(rtol), atol: T::of(atol) })
        }))
    });
    Ok((sum? / count as f64).sqrt())
}

/// Elements summed in the tensor's dtype, in lanes.
const PIECE: usize = 4096;

struct Squares<'a, T> {
    error: &'a [T],
    x: &'a [T],
    y: &'a [T],
    rtol: T,
    atol: T,
}

impl<T: Float> WithSimd for Squares<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        const LANES: usize = 16;
        let n = self.error.len();
        let (x, y) = (&self.x[..n], &self.y[..n]);
        let mut sums = [0f64; LANES];
        for start in (0..n).step_by(LANES) {
            for (lane, i) in (start..n.min(start + LANES)).enumerate() {
                let (a, b) = (x[i].magnitude(), y[i].magnitude());
                let scale = self.rtol.madd::<S>(if a > b { a } else { b }, self.atol);
                let ratio = (self.error[i] / scale).to_f64();
                sums[lane] += ratio * ratio;
            }
        }
        sums.iter().sum()
    }
}

fn compose(error: &Tensor, x: &Tensor, y: &Tensor, rtol: f64, atol: f64) -> Result<f64> {
    // In 16 bits the scale would vanish and the squares overflow.
    let dtype = match error.dtype() {
        DType::F64 => DType::F64,
        _ => DType::F32,
    };
    let wide = |x: &Tensor| x.detach().to_dtype(dtype);
    let scale = wide(x)?
        .abs()?
        .maximum(&wide(y)?.abs()?)?
        .affine(rtol, atol)?;
    let squares = wide(error)?.div(&scale)?.sqr()?;
    let mean = squares.mean_all()?.to_dtype(DType::F64)?;
    Ok(mean.to_scalar::<f64>()?.sqrt())
}
