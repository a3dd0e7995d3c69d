//! Bits per dimension.

use std::f64::consts::LN_2;
use std::fmt;

use advect_core::{Result, check};
use candle_core::Tensor;

use super::{UniformDequantization, numbers};

/// The convention by which likelihoods of data with levels are counted.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Convention {
    /// The density of data with uniform noise: an upper bound of the bits of the levels, on average over the noise
    /// (Theis, van den Oord and Bethge 2016, section 3.1).
    UniformDequantization(UniformDequantization),
    /// The density of data with noise of a learned law, less that law's own density: an upper bound of the bits of the
    /// levels, on average over the noise (Ho et al., Flow++, 2019, eq. 11; `VariationalDequantization` of
    /// advect-objectives).
    VariationalDequantization {
        /// The distance between levels.
        width: f64,
    },
    /// The probabilities of the levels themselves, or a bound of them.
    Levels,
}

/// The bits per dimension of samples, with their convention. Fewer are better.
///
/// ```
/// use advect_samplers::likelihood::{BitsPerDimension, Convention};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // Two samples of 10 dimensions, each level with probability 1/4 and 1/16.
/// let nats = Tensor::new(&[10.0 * 4f64.ln(), 10.0 * 16f64.ln()], &Device::Cpu)?;
/// let bits = BitsPerDimension::of_levels(&nats, 10)?;
/// assert!((bits.mean - 3.0).abs() < 1e-14 && (bits.standard_error.unwrap() - 1.0).abs() < 1e-14);
/// assert_eq!(bits.to_string(), "3.0000 ± 1.0000 bits per dimension (of levels)");
/// # Ok(())
/// # }
/// ```
#[doc(alias = "bpd")]
#[doc(alias = "BPD")]
#[doc(alias = "bits/dim")]
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BitsPerDimension {
    /// The bits per dimension of each sample.
    pub bits: Vec<f64>,
    /// The mean over the samples.
    pub mean: f64,
    /// The standard error of the mean, from the spread of two samples or more.
    pub standard_error: Option<f64>,
    /// The convention by which they were counted.
    pub convention: Convention,
}

impl BitsPerDimension {
    /// Converts negative log-probabilities of levels, in nats for each sample, `(batch,)`, to bits per dimension,
    /// such as DDPM's bound with a discretized decoder.
    ///
    /// # Errors
    /// Typed errors unless there is a finite number for each sample; [`Error::Range`](advect_core::Error::Range) for 0
    /// dimensions.
    pub fn of_levels(negative_log_probability: &Tensor, dimensions: usize) -> Result<Self> {
        BitsPerDimension::counted_by(Convention::Levels, negative_log_probability, dimensions)
    }

    /// Converts negative log-probabilities of levels, or upper bounds of them, to bits per dimension, by a given
    /// convention. They are in nats for each sample, `(batch,)`, and the width of the levels is in them, as in those of
    /// variational dequantization.
    ///
    /// ```
    /// use advect_samplers::likelihood::{BitsPerDimension, Convention};
    /// use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// let bounds = Tensor::new(&[2f64.ln()], &Device::Cpu)?;
    /// let convention = Convention::VariationalDequantization { width: 0.5 };
    /// let bits = BitsPerDimension::counted_by(convention, &bounds, 1)?;
    /// assert_eq!(bits.to_string(), "1.0000 bits per dimension (variational dequantization of levels 0.5 apart)");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`BitsPerDimension::of_levels`].
    pub fn counted_by(
        convention: Convention,
        negative_log_probability: &Tensor,
        dimensions: usize,
    ) -> Result<Self> {
        let nats = numbers("negative_log_probability", negative_log_probability)?;
        let scale = LN_2 * check::at_least_one("dimensions", dimensions)? as f64;
        let bits = nats.into_iter().map(|nats| nats / scale).collect();
        Ok(BitsPerDimension::new(bits, convention))
    }

    pub(super) fn new(bits: Vec<f64>, convention: Convention) -> Self {
        let count = bits.len() as f64;
        let mean = bits.iter().sum::<f64>() / count;
        let squares: f64 = bits.iter().map(|b| (b - mean).powi(2)).sum();
        BitsPerDimension {
            standard_error: (bits.len() > 1).then(|| (squares / (count * (count - 1.0))).sqrt()),
            mean,
            bits,
            convention,
        }
    }
}

/// A number with four digits.
fn short(x: f64) -> f64 {
    if !x.is_normal() {
        return x;
    }
    let scale = 10f64.powi(3 - x.abs().log10().floor() as i32);
    (x * scale).round() / scale
}

impl fmt::Display for Convention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Convention::UniformDequantization(dequantization) => {
                let width = short(dequantization.width());
                write!(f, "uniform dequantization of levels {width} apart")
            }
            Convention::VariationalDequantization { width } => {
                let width = short(*width);
                write!(f, "variational dequantization of levels {width} apart")
            }
            Convention::Levels => write!(f, "of levels"),
        }
    }
}

impl fmt::Display for BitsPerDimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the sign of what is rounded to zero.
        let mean = match self.mean.abs() < 5e-5 {
            true => 0.0,
            false => self.mean,
        };
        write!(f, "{mean:.4}")?;
        if let Some(error) = self.standard_error {
            write!(f, " ± {error:.4}")?;
        }
        write!(f, " bits per dimension ({})", self.convention)
    }
}
