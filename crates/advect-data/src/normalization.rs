//! Conversion of bytes to numbers, and back.

use advect_core::{Error, Result, check};
use candle_core::{DType, Tensor};

/// The conversion `(x / 255 − mean) / deviation` of the bytes x of images, with a mean and a deviation for each
/// channel, or one of each for all channels; to −1 … 1 by default.
///
/// ```
/// use advect_data::Normalization;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let bytes = Tensor::new(&[[[[0u8, 51, 255]]]], &Device::Cpu)?;
/// let normal = Normalization::default();
/// let x = normal.apply(&bytes, DType::F64)?;
/// let expected = [-1.0, -0.6, 1.0];
/// for (a, b) in x.flatten_all()?.to_vec1::<f64>()?.iter().zip(expected) {
///     assert!((a - b).abs() < 1e-15);
/// }
/// assert_eq!(normal.bytes(&x)?.flatten_all()?.to_vec1::<u8>()?, [0, 51, 255]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "Normalize")]
#[doc(alias = "normalize")]
#[doc(alias = "standardize")]
#[derive(Debug, Clone, PartialEq)]
pub struct Normalization {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Default for Normalization {
    /// Creates the conversion to −1 … 1: a mean and a deviation of one half.
    fn default() -> Self {
        Normalization {
            mean: vec![0.5],
            deviation: vec![0.5],
        }
    }
}

impl Normalization {
    /// Creates a conversion with means and deviations of channels, on the scale where pixels are from 0 to 1; one of
    /// each stands for all channels.
    ///
    /// # Errors
    /// [`Error::Range`] unless there are as many of the one as of the other, at least one, means are finite, and deviations
    /// are above 0; [`Error::Empty`] without any.
    pub fn new(mean: &[f64], deviation: &[f64]) -> Result<Self> {
        if mean.is_empty() {
            let argument = "mean".into();
            return Err(Error::Empty { argument });
        }
        if mean.len() != deviation.len() {
            let accepted = format!("{}, the number of means", mean.len());
            return Err(Error::range("deviation", deviation.len(), accepted));
        }
        for (mean, deviation) in mean.iter().zip(deviation) {
            check::finite_number("mean", *mean)?;
            check::positive("deviation", *deviation)?;
        }
        Ok(Normalization {
            mean: mean.to_vec(),
            deviation: deviation.to_vec(),
        })
    }

    /// Converts bytes `(count, channels, ...)` to numbers of a dtype.
    ///
    /// # Errors
    /// [`Error::DType`] unless the images are u8 and the dtype is a float; [`Error::Shape`] for another number of channels;
    /// [`Error::Range`] if what comes out would not fit the dtype.
    pub fn apply(&self, bytes: &Tensor, dtype: DType) -> Result<Tensor> {
        check::float_dtype("dtype", dtype)?;
        if bytes.dtype() != DType::U8 {
            return Err(Error::dtype("bytes", bytes.dtype(), "U8"));
        }
        // In f32 at least: 16 bits don't hold what comes in between.
        let wide = if dtype == DType::F64 {
            dtype
        } else {
            DType::F32
        };
        let x = bytes.to_dtype(wide)?;
        let factors: Vec<f64> = self.deviation.iter().map(|d| 1.0 / (255.0 * d)).collect();
        let shifts = self.mean.iter().zip(&self.deviation).map(|(m, d)| -m / d);
        let shifts: Vec<f64> = shifts.collect();
        let largest = match dtype {
            DType::F16 => 65_504.0,
            DType::F64 => f64::MAX,
            _ => 3.38e38,
        };
        for ((factor, shift), deviation) in factors.iter().zip(&shifts).zip(&self.deviation) {
            // Of the sum, which is of opposite signs, neither part may overflow.
            if (255.0 * factor).max(shift.abs()) > largest {
                let accepted = format!("a deviation with which the results fit {dtype:?}");
                return Err(Error::range("deviation", deviation, accepted));
            }
        }
        let x = x.broadcast_mul(&self.column("bytes", &x, &factors)?)?;
        let x = x.broadcast_add(&self.column("bytes", &x, &shifts)?)?;
        Ok(x.to_dtype(dtype)?)
    }

    /// Applies the inverse: from numbers to 0 … 1, the range of images. Values outside are not cut off.
    ///
    /// # Errors
    /// [`Error::DType`] unless x is a float; [`Error::Shape`] for another number of channels.
    pub fn invert(&self, x: &Tensor) -> Result<Tensor> {
        check::float("x", x)?;
        let x = x.broadcast_mul(&self.column("x", x, &self.deviation)?)?;
        Ok(x.broadcast_add(&self.column("x", &x, &self.mean)?)?)
    }

    /// Converts numbers to the nearest bytes. Values below 0 or above 255 are cut off.
    ///
    /// # Errors
    /// As [`Normalization::invert`], which refuses bytes, and [`Error::NonFinite`] for numbers that are none.
    pub fn bytes(&self, x: &Tensor) -> Result<Tensor> {
        check::float("x", x)?;
        check::finite("x", x)?;
        let wide = if x.dtype() == DType::F64 {
            x.clone()
        } else {
            x.to_dtype(DType::F32)?
        };
        let scaled = (self.invert(&wide)? * 255.0)?;
        Ok(scaled.round()?.clamp(0.0, 255.0)?.to_dtype(DType::U8)?)
    }

    /// A number for each channel, to be broadcast.
    fn column(&self, argument: &'static str, x: &Tensor, numbers: &[f64]) -> Result<Tensor> {
        let channels = x.dims().get(1).copied().unwrap_or(0);
        if x.rank() < 2 || (numbers.len() != 1 && numbers.len() != channels) {
            let accepted = format!("(count, {}, ...)", numbers.len());
            return Err(Error::shape(argument, x.dims(), accepted));
        }
        let mut shape = vec![1; x.rank()];
        shape[1] = numbers.len();
        Ok(Tensor::new(numbers, x.device())?
            .reshape(shape)?
            .to_dtype(x.dtype())?)
    }
}
