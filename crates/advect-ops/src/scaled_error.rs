//! The size of a step's error, measured against tolerances, in one pass.

use advect_core::{Error, Result, check, parallel};
use candle_core::{D, DType, Tensor};
use pulp::{Simd, WithSimd};

use crate::cpu::{self, Float, by_dtype, dispatch, host};

/// Numbers `r = e / (atol + rtol · max(|x|, |y|))` of a step's error, summed up.
///
/// ```
/// use advect_ops::scaled_error;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let e = Tensor::new(&[3.0f32, 8.0], &Device::Cpu)?;
/// let x = Tensor::new(&[0.0f32, -10.0], &Device::Cpu)?;
/// let error = scaled_error(&e, &x, &x.neg()?, 0.1, 1.0)?; // 3 and 8 / 2
/// assert!((error.rms() - (25f64 / 2.0).sqrt()).abs() < 1e-6);
/// assert_eq!(error.largest(), 4.0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ScaledError {
    squares: f64,
    count: usize,
    largest: f64,
}

impl ScaledError {
    /// The root mean square of the numbers (Hairer, Nørsett and Wanner, Solving Ordinary Differential Equations I, eq.
    /// II.4.11); NaN or infinite if one of them is, 0 without any.
    pub fn rms(&self) -> f64 {
        match self.count {
            0 => 0.0,
            count => (self.squares / count as f64).sqrt(),
        }
    }

    /// The largest magnitude; NaN if one of them is, 0 without any.
    pub fn largest(&self) -> f64 {
        match self.squares.is_nan() {
            true => f64::NAN,
            false => self.largest,
        }
    }

    /// Of these numbers and others together.
    pub fn and(self, other: Self) -> Self {
        ScaledError {
            squares: self.squares + other.squares,
            count: self.count + other.count,
            largest: self.largest.max(other.largest),
        }
    }
}

/// The [`ScaledError`] of all elements, in f64.
///
/// # Errors
/// [`Error`] naming `x` or `y` if they are not like `error`, or `error` if it is no float or empty.
pub fn scaled_error(
    error: &Tensor,
    x: &Tensor,
    y: &Tensor,
    rtol: f64,
    atol: f64,
) -> Result<ScaledError> {
    check(error, x, y)?;
    let atol = representable(atol, error.dtype());
    let count = error.elem_count();
    if !cpu::fits(&[error]) {
        let ratios = ratios(error, x, y, rtol, atol)?.flatten_all()?;
        return Ok(ScaledError {
            squares: ratios.sqr()?.sum_all()?.to_dtype(DType::F64)?.to_scalar()?,
            count,
            largest: ratios.max(0)?.to_dtype(DType::F64)?.to_scalar()?,
        });
    }
    let (error, x, y) = (error.contiguous()?, x.contiguous()?, y.contiguous()?);
    by_dtype!(error, T => {
        let (error, x, y) = (host::<T>(&error)?, host::<T>(&x)?, host::<T>(&y)?);
        let piece = |i: usize| {
            let range = i * PIECE..count.min((i + 1) * PIECE);
            let (error, x, y) = (&error[range.clone()], &x[range.clone()], &y[range]);
            dispatch(Ratios { error, x, y, rtol: T::of(rtol), atol: T::of(atol) })
        };
        if count <= PIECE {
            return Ok(piece(0));
        }
        // The pieces don't depend on the number of threads, so neither does their sum.
        let mut pieces = vec![ScaledError::default(); count.div_ceil(PIECE)];
        let items = pieces.iter_mut().enumerate().collect();
        parallel::each(items, count / 2, |(i, out): (usize, &mut ScaledError)| *out = piece(i));
        Ok(pieces.into_iter().fold(ScaledError::default(), ScaledError::and))
    })
}

/// The [`ScaledError`] of each sample, `x[i]`.
///
/// # Errors
/// As [`scaled_error`].
pub fn scaled_errors(
    error: &Tensor,
    x: &Tensor,
    y: &Tensor,
    rtol: f64,
    atol: f64,
) -> Result<Vec<ScaledError>> {
    check(error, x, y)?;
    let atol = representable(atol, error.dtype());
    let samples = check::batch("error", error)?;
    let width = error.elem_count() / samples;
    if !cpu::fits(&[error]) {
        let ratios = ratios(error, x, y, rtol, atol)?.reshape((samples, width))?;
        let squares = ratios.sqr()?.sum(D::Minus1)?.to_dtype(DType::F64)?;
        let largest = ratios.max(D::Minus1)?.to_dtype(DType::F64)?;
        let pairs = squares
            .to_vec1::<f64>()?
            .into_iter()
            .zip(largest.to_vec1()?);
        return Ok(pairs
            .map(|(squares, largest)| ScaledError {
                squares,
                count: width,
                largest,
            })
            .collect());
    }
    let (error, x, y) = (error.contiguous()?, x.contiguous()?, y.contiguous()?);
    by_dtype!(error, T => {
        let (error, x, y) = (host::<T>(&error)?, host::<T>(&x)?, host::<T>(&y)?);
        let sample = |i: usize| {
            let range = i * width..(i + 1) * width;
            let (error, x, y) = (&error[range.clone()], &x[range.clone()], &y[range]);
            dispatch(Ratios { error, x, y, rtol: T::of(rtol), atol: T::of(atol) })
        };
        Ok((0..samples).map(sample).collect())
    })
}

fn check(error: &Tensor, x: &Tensor, y: &Tensor) -> Result<()> {
    check::float("error", error)?;
    check::alike("x", x, "error", error)?;
    check::alike("y", y, "error", error)?;
    match error.elem_count() {
        0 => Err(Error::Empty {
            argument: "error".into(),
        }),
        _ => Ok(()),
    }
}

/// A tolerance that does not vanish in the dtype that errors are divided in, so that 0 over 0 does not happen.
fn representable(atol: f64, dtype: DType) -> f64 {
    match dtype {
        DType::F64 => atol,
        _ if atol > 0.0 => atol.max(f64::from(f32::MIN_POSITIVE)),
        _ => atol,
    }
}

/// Elements summed at a time.
const PIECE: usize = 4096;

struct Ratios<'a, T> {
    error: &'a [T],
    x: &'a [T],
    y: &'a [T],
    rtol: T,
    atol: T,
}

impl<T: Float> WithSimd for Ratios<'_, T> {
    type Output = ScaledError;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> ScaledError {
        const LANES: usize = 16;
        let n = self.error.len();
        let (x, y) = (&self.x[..n], &self.y[..n]);
        let mut sums = [0f64; LANES];
        let mut largest = [0f64; LANES];
        for start in (0..n).step_by(LANES) {
            for (lane, i) in (start..n.min(start + LANES)).enumerate() {
                let (a, b) = (x[i].magnitude(), y[i].magnitude());
                let scale = self.rtol.madd::<S>(if a > b { a } else { b }, self.atol);
                let ratio = (self.error[i] / scale).to_f64();
                sums[lane] += ratio * ratio;
                let magnitude = ratio.abs();
                if magnitude > largest[lane] {
                    largest[lane] = magnitude;
                }
            }
        }
        ScaledError {
            squares: sums.iter().sum(),
            count: n,
            largest: largest.iter().fold(0.0, |a, b| f64::max(a, *b)),
        }
    }
}

/// The magnitudes of all ratios, by candle's operations.
fn ratios(error: &Tensor, x: &Tensor, y: &Tensor, rtol: f64, atol: f64) -> Result<Tensor> {
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
    Ok(wide(error)?.div(&scale)?.abs()?)
}
