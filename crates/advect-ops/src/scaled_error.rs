//! The size of a step's error, relative to tolerances, in one pass.

use advect_core::{Error, Result, check};
use advect_kernels::scaled_error::{ScaledErrors, Total};
use candle_core::{D, DType, Tensor};

use crate::cpu::{self, THREADS, by_dtype, host};

/// A summary of the numbers `r = e / (atol + rtol · max(|x|, |y|))` of a step's error.
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
    fn of(Total { squares, largest }: Total, count: usize) -> Self {
        ScaledError {
            squares,
            count,
            largest,
        }
    }

    /// Returns the root mean square of the numbers (Hairer, Nørsett and Wanner, Solving Ordinary Differential Equations
    /// I, eq. II.4.11); NaN or infinite if one of them is, 0 if there are none.
    #[doc(alias = "error norm")]
    pub fn rms(&self) -> f64 {
        match self.count {
            0 => 0.0,
            count => (self.squares / count as f64).sqrt(),
        }
    }

    /// Returns the largest magnitude; NaN if one of the numbers is, 0 if there are none.
    pub fn largest(&self) -> f64 {
        match self.squares.is_nan() {
            true => f64::NAN,
            false => self.largest,
        }
    }

    /// Returns the summary of these numbers and others together.
    pub fn and(self, other: Self) -> Self {
        ScaledError {
            squares: self.squares + other.squares,
            count: self.count + other.count,
            largest: self.largest.max(other.largest),
        }
    }
}

/// Sums up numbers r.
impl FromIterator<f64> for ScaledError {
    fn from_iter<I: IntoIterator<Item = f64>>(numbers: I) -> Self {
        let each = |all: Self, r: f64| ScaledError {
            squares: all.squares + r * r,
            count: all.count + 1,
            largest: all.largest.max(r.abs()),
        };
        numbers.into_iter().fold(ScaledError::default(), each)
    }
}

/// Returns the [`ScaledError`] of all elements, in f64.
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
    #[cfg(feature = "cuda")]
    if crate::cuda::fits(&[error]) {
        let totals = totals_on_cuda([error, x, y], rtol, atol, count)?;
        let summary = totals
            .into_iter()
            .map(|total| ScaledError::of(total, count));
        return Ok(summary.fold(ScaledError::default(), ScaledError::and));
    }
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
        let total = T::scaled_error(THREADS, &error, &x, &y, rtol, atol);
        Ok(ScaledError::of(total, count))
    })
}

/// Returns the [`ScaledError`] of each sample, `x[i]`.
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
    #[cfg(feature = "cuda")]
    if crate::cuda::fits(&[error]) {
        let totals = totals_on_cuda([error, x, y], rtol, atol, width)?;
        return Ok(totals
            .into_iter()
            .map(|total| ScaledError::of(total, width))
            .collect());
    }
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
        let totals = T::scaled_errors(&error, &x, &y, rtol, atol, width);
        Ok(totals.into_iter().map(|total| ScaledError::of(total, width)).collect())
    })
}

/// The totals of the ratios of each row of `width` elements, by the kernels for CUDA.
#[cfg(feature = "cuda")]
fn totals_on_cuda(tensors: [&Tensor; 3], rtol: f64, atol: f64, width: usize) -> Result<Vec<Total>> {
    let [error, x, y] = tensors.map(Tensor::contiguous);
    let (error, x, y) = (error?, x?, y?);
    let totals = advect_kernels::cuda::scaled_error::scaled_errors;
    Ok(totals([&error, &x, &y], rtol, atol, width)?)
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
