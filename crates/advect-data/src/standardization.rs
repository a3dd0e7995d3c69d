//! Coordinates of mean 0 and deviation 1.

use std::fmt;
use std::str::FromStr;

use advect_core::{Error, Result, check, shape};
use candle_core::{DType, Device, Tensor};

/// The map `z = (x − mean)/deviation` of each coordinate, with its inverse and its change of
/// densities, `ln p(x) = ln p(z) − Σ ln deviation`.
///
/// As a text, and back from it, it keeps every digit. As a setting of a trainer, it is in all checkpoints:
/// `trainer.setting("standardization", &map)`, and `checkpoint.settings["standardization"].parse()`.
///
/// ```
/// use advect_data::Standardization;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[1f64, 10.0], [3.0, 50.0]], &Device::Cpu)?;
/// let map = Standardization::of(&x)?;
/// assert_eq!(map.apply(&x)?.to_vec2::<f64>()?, [[-1.0, -1.0], [1.0, 1.0]]);
/// assert_eq!(map.invert(&map.apply(&x)?)?.to_vec2::<f64>()?, [[1.0, 10.0], [3.0, 50.0]]);
/// assert!((map.log_determinant()? + 20f64.ln()).abs() < 1e-15);
///
/// assert_eq!(map.to_string(), "[2] 2.0/1.0 30.0/20.0");
/// let kept: Standardization = map.to_string().parse()?;
/// assert_eq!(kept.deviation()?.to_vec1::<f64>()?, [1.0, 20.0]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "StandardScaler")]
#[derive(Debug, Clone)]
pub struct Standardization {
    mean: Tensor,
    deviation: Tensor,
}

impl Standardization {
    /// Creates the map with a mean and a deviation for each element of a sample.
    ///
    /// # Errors
    /// Typed errors for tensors of different shape, dtype or device, or no floats; [`Error::Range`] unless means are finite, and deviations
    /// finite and above 0.
    pub fn new(mean: &Tensor, deviation: &Tensor) -> Result<Self> {
        check::float("mean", mean)?;
        check::alike("deviation", deviation, "mean", mean)?;
        check::finite("mean", mean)?;
        check::finite("deviation", deviation)?;
        let numbers = deviation.flatten_all()?.to_dtype(DType::F64)?;
        for deviation in numbers.to_vec1::<f64>()? {
            check::positive("deviation", deviation)?;
        }
        Ok(Standardization {
            mean: mean.unsqueeze(0)?,
            deviation: deviation.unsqueeze(0)?,
        })
    }

    /// Creates the map by which the samples `(count, ...)` have mean 0 and mean square 1 in each coordinate. A coordinate that
    /// never changes is only moved.
    ///
    /// # Errors
    /// `Empty`, `DType` and `NonFinite` errors.
    pub fn of(samples: &Tensor) -> Result<Self> {
        check::batch("samples", samples)?;
        check::float("samples", samples)?;
        check::finite("samples", samples)?;
        // In f64: a sum over many rows loses its last digits in less.
        let x = shape::cast(samples, DType::F64)?;
        let mean = x.mean_keepdim(0)?;
        let deviation = x.broadcast_sub(&mean)?.sqr()?.mean_keepdim(0)?.sqrt()?;
        let [mean, deviation] = [mean, deviation].map(|x| shape::cast(&x, samples.dtype()));
        let (mean, deviation) = (mean?, deviation?);
        // By its ends, as the mean of equal numbers may be off by a rounding, and the deviation with it.
        let still = samples.max_keepdim(0)?.eq(&samples.min_keepdim(0)?)?;
        let deviation = still.where_cond(&deviation.ones_like()?, &deviation)?;
        check::finite("samples", &deviation)?;
        Ok(Standardization { mean, deviation })
    }

    /// Returns the mean, shaped like a sample.
    ///
    /// # Errors
    /// Those of candle.
    pub fn mean(&self) -> Result<Tensor> {
        Ok(self.mean.squeeze(0)?)
    }

    /// Returns the deviation, shaped like a sample.
    ///
    /// # Errors
    /// Those of candle.
    pub fn deviation(&self) -> Result<Tensor> {
        Ok(self.deviation.squeeze(0)?)
    }

    /// Returns the map in a dtype and on a device, for samples there.
    ///
    /// # Errors
    /// As [`Standardization::new`], for a number that the dtype doesn't hold.
    pub fn to(&self, dtype: DType, device: &Device) -> Result<Self> {
        let [mean, deviation] = [self.mean()?, self.deviation()?].map(|x| x.to_device(device));
        Standardization::new(&mean?.to_dtype(dtype)?, &deviation?.to_dtype(dtype)?)
    }

    /// Returns the logarithm of the map's determinant, `ln |∂z/∂x| = −Σ ln deviation`, in nats.
    ///
    /// # Errors
    /// Those of candle.
    #[doc(alias = "Jacobian")]
    pub fn log_determinant(&self) -> Result<f64> {
        let logarithms = self.deviation.to_dtype(DType::F64)?.log()?;
        Ok(0.0 - logarithms.sum_all()?.to_scalar::<f64>()?)
    }

    /// Returns the log-densities of samples in their original units, in nats, from those of the standardised samples, `(count,)`.
    ///
    /// ```
    /// use advect_data::Standardization;
    /// use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// // A normal law of deviation 10: at its mean the density is 1/(√2π 10).
    /// let cpu = Device::Cpu;
    /// let map = Standardization::new(&Tensor::new(&[5f64], &cpu)?, &Tensor::new(&[10f64], &cpu)?)?;
    /// let standard = -0.5 * (2.0 * std::f64::consts::PI).ln();
    /// let density = map.log_densities(&Tensor::new(&[standard], &cpu)?)?.to_vec1::<f64>()?;
    /// assert!((density[0] - (standard - 10f64.ln())).abs() < 1e-15);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::DType`] for integers; those of candle.
    #[doc(alias = "log_prob")]
    pub fn log_densities(&self, standardized: &Tensor) -> Result<Tensor> {
        check::float("standardized", standardized)?;
        Ok((standardized + self.log_determinant()?)?)
    }

    /// Returns the standardised samples.
    ///
    /// # Errors
    /// [`Error::Shape`] for samples of another shape; errors of dtype and device.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        self.check(x)?;
        Ok(x.broadcast_sub(&self.mean)?
            .broadcast_div(&self.deviation)?)
    }

    /// Returns the original samples of standardised ones.
    ///
    /// # Errors
    /// As [`Standardization::apply`].
    pub fn invert(&self, x: &Tensor) -> Result<Tensor> {
        self.check(x)?;
        Ok(x.broadcast_mul(&self.deviation)?
            .broadcast_add(&self.mean)?)
    }

    fn check(&self, x: &Tensor) -> Result<()> {
        check::batch("x", x)?;
        check::same_kind("x", x, "the samples", &self.mean)?;
        let shape = &self.mean.dims()[1..];
        if x.dims()[1..] != *shape {
            let accepted = format!("(count, …) with {shape:?} for each sample");
            return Err(Error::shape("x", x.dims(), accepted));
        }
        Ok(())
    }
}

impl fmt::Display for Standardization {
    /// The shape of a sample, and `mean/deviation` for each of its elements, with all digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = |x: &Tensor| {
            let x = x.to_dtype(DType::F64).and_then(|x| x.flatten_all());
            x.and_then(|x| x.to_vec1::<f64>()).map_err(|_| fmt::Error)
        };
        write!(f, "{:?}", &self.mean.dims()[1..])?;
        let (mean, deviation) = (numbers(&self.mean)?, numbers(&self.deviation)?);
        let mut pairs = mean.iter().zip(&deviation);
        pairs.try_for_each(|(mean, deviation)| write!(f, " {mean:?}/{deviation:?}"))
    }
}

impl FromStr for Standardization {
    type Err = Error;

    /// Reads what [`Display`](fmt::Display) writes, in f64.
    fn from_str(text: &str) -> Result<Self> {
        let pairs = || {
            let (shape, pairs) = text.strip_prefix('[')?.split_once(']')?;
            let sizes = shape
                .split(',')
                .map(str::trim)
                .filter(|size| !size.is_empty());
            let sizes: Vec<usize> = sizes.map(|size| size.parse().ok()).collect::<Option<_>>()?;
            let pair = |pair: &str| -> Option<(f64, f64)> {
                let (mean, deviation) = pair.split_once('/')?;
                Some((mean.parse().ok()?, deviation.parse().ok()?))
            };
            let pairs: Vec<_> = pairs.split_whitespace().map(pair).collect::<Option<_>>()?;
            let count = (sizes.iter()).try_fold(1usize, |n, &size| n.checked_mul(size));
            (count == Some(pairs.len())).then_some((sizes, pairs))
        };
        let wrong = || {
            let text: String = text.chars().take(60).collect();
            Error::range("standardization", text, "a shape and mean/deviation pairs")
        };
        let (shape, pairs) = pairs().ok_or_else(wrong)?;
        let (mean, deviation): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        let tensor = |numbers| Tensor::from_vec(numbers, shape.as_slice(), &Device::Cpu);
        Standardization::new(&tensor(mean)?, &tensor(deviation)?)
    }
}
