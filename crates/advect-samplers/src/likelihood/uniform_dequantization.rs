//! Uniform noise, which makes discrete levels continuous (Uria, Murray and Larochelle, RNADE, 2013; Theis, van den Oord and
//! Bethge, A note on the evaluation of generative models, 2016, section 3.1).

use std::f64::consts::LN_2;

use advect_core::{Error, Generator, Result, check};
use candle_core::{DType, Device, Tensor};
use rand_distr::StandardUniform;

use super::{BitsPerDimension, Convention, LogLikelihood, numbers};

/// The uniform dequantization of data on levels that are `width` apart, each spread evenly over a bin of that width:
/// `x + width (u − ½)` with u uniform in [0, 1). The bits of a density p of such data are
/// `−log₂ p(x)/d − log₂ width`.
///
/// Images of 256 levels from −1 to 1 are 2/255 apart. Train on data with this noise, too: a density of the levels
/// themselves may be as high as it likes.
///
/// ```
/// use advect_core::Generator;
/// use advect_samplers::likelihood::UniformDequantization;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let dequantization = UniformDequantization::of_levels(256, -1.0, 1.0)?;
/// assert_eq!(dequantization.width(), 2.0 / 255.0);
/// let x = Tensor::new(&[[-1f64, 1.0]], &Device::Cpu)?;
/// let noisy = dequantization.apply(&x, &mut Generator::from_seed(0))?;
/// assert!((noisy - x)?.abs()?.max_all()?.to_scalar::<f64>()? <= 1.0 / 255.0);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "dequantization")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UniformDequantization {
    width: f64,
}

impl UniformDequantization {
    /// Creates the dequantization of levels that are `width` apart.
    ///
    /// # Errors
    /// [`Error::Range`] unless the width is above 0.
    pub fn new(width: f64) -> Result<Self> {
        Ok(UniformDequantization {
            width: check::positive("width", width)?,
        })
    }

    /// Creates the dequantization of `count` equally spaced levels from `first` to `last`.
    ///
    /// # Errors
    /// [`Error::Range`] for fewer than two levels, or unless `first < last` with a finite distance.
    pub fn of_levels(count: usize, first: f64, last: f64) -> Result<Self> {
        if count < 2 {
            let accepted = "at least 2";
            return Err(Error::range("count", count, accepted));
        }
        let first = check::finite_number("first", first)?;
        if !(last - first).is_finite() || last <= first {
            let accepted = format!("a finite number above the first level, {first}");
            return Err(Error::range("last", last, accepted));
        }
        UniformDequantization::new((last - first) / (count - 1) as f64)
    }

    /// Returns the distance between levels.
    pub fn width(&self) -> f64 {
        self.width
    }

    /// Adds the generator's next noise to data on levels.
    ///
    /// # Errors
    /// [`Error::DType`] unless the data is f16, f32 or f64 (the noise would be less than the spacing of bf16 numbers), `NonFinite` for NaN and
    /// infinities.
    pub fn apply(&self, x: &Tensor, rng: &mut Generator) -> Result<Tensor> {
        let noise = rng.uniform(-0.5..0.5, x.shape(), DType::F64, &Device::Cpu)?;
        self.add(x, noise)
    }

    /// Adds noise to samples numbered from `first` on. The noise of a sample depends on its number, not on the other
    /// samples of the batch.
    ///
    /// # Errors
    /// As [`UniformDequantization::apply`], and for numbers as [`Generator::values_by_sample`].
    pub fn apply_by_sample(&self, first: u64, x: &Tensor, rng: &mut Generator) -> Result<Tensor> {
        let samples = check::batch("x", x)?;
        let width = x.elem_count() / samples;
        let noise = rng.values_by_sample(&StandardUniform, first, samples, width)?;
        let noise = Tensor::from_vec(noise, x.dims(), &Device::Cpu)?;
        self.add(x, (noise - 0.5)?)
    }

    /// Adds noise within half a unit, times the width.
    fn add(&self, x: &Tensor, noise: Tensor) -> Result<Tensor> {
        if !matches!(x.dtype(), DType::F16 | DType::F32 | DType::F64) {
            return Err(Error::dtype("x", x.dtype(), "f16, f32 or f64"));
        }
        check::finite("x", x)?;
        let noise = (noise * self.width)?.to_dtype(x.dtype())?;
        Ok((x + noise.to_device(x.device())?)?)
    }

    /// Returns the bits per dimension of log-densities of data with this noise.
    ///
    /// # Errors
    /// Typed errors unless the log-densities are finite.
    pub fn bits_per_dimension(&self, found: &LogLikelihood) -> Result<BitsPerDimension> {
        self.bits_of_densities(&found.nats, found.dimensions)
    }

    /// Returns the bits per dimension of log-densities of any origin, or of lower bounds of them, in nats for each
    /// sample, `(batch,)`.
    ///
    /// # Errors
    /// Typed errors unless there is a finite number for each sample; [`Error::Range`] for 0 dimensions.
    pub fn bits_of_densities(&self, nats: &Tensor, dimensions: usize) -> Result<BitsPerDimension> {
        let nats = numbers("nats", nats)?;
        let scale = LN_2 * check::at_least_one("dimensions", dimensions)? as f64;
        let bits = nats
            .into_iter()
            .map(|nats| -nats / scale - self.width.log2());
        let convention = Convention::UniformDequantization(*self);
        Ok(BitsPerDimension::new(bits.collect(), convention))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_settings_are_refused() {
        assert!(UniformDequantization::new(0.0).is_err());
        assert!(UniformDequantization::of_levels(1, 0.0, 1.0).is_err());
        for (first, last, argument) in [
            (1.0, -1.0, "last"),
            (1.0, 1.0, "last"),
            (0.0, f64::NAN, "last"),
            (0.0, f64::INFINITY, "last"),
            (-f64::MAX, f64::MAX, "last"),
            (f64::NAN, 0.0, "first"),
            (f64::NEG_INFINITY, 0.0, "first"),
        ] {
            let error = UniformDequantization::of_levels(256, first, last).unwrap_err();
            let message = error.to_string();
            assert!(
                message.starts_with(&format!("{argument}: got ")),
                "{message}"
            );
        }
    }
}
