//! The mean of a sample with its standard error.

use std::fmt;

use advect_core::{Error, Result};

use crate::finite;
use crate::scaled::unit;

/// The mean of independent numbers, with its standard error `(Σ_i (x_i − mean)² / (n (n − 1)))^½`.
///
/// ```
/// use advect_metrics::SampleMean;
/// # fn main() -> advect_core::Result<()> {
/// let mean = SampleMean::of(&[1.0, 3.0])?;
/// assert_eq!((mean.mean, mean.standard_error), (2.0, Some(1.0)));
/// assert_eq!(format!("{mean:.2}"), "2.00 ± 1.00");
/// assert_eq!(SampleMean::of(&[5.0])?.to_string(), "5.0000");
/// # Ok(())
/// # }
/// ```
#[doc(alias = "SEM")]
#[doc(alias = "error bar")]
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct SampleMean {
    /// The mean.
    pub mean: f64,
    /// The standard error of the mean; `None` for a single number.
    pub standard_error: Option<f64>,
}

impl SampleMean {
    /// Averages numbers: one for each sample, or one for each seed.
    ///
    /// # Errors
    /// [`Error::Empty`] without numbers, [`Error::NonFinite`] for NaN or an infinity, [`Error::Range`] where the mean or its error
    /// overflows.
    pub fn of(values: &[f64]) -> Result<Self> {
        let argument = "values";
        if values.is_empty() {
            let argument = argument.into();
            return Err(Error::Empty { argument });
        }
        if let Some(index) = values.iter().position(|x| !x.is_finite()) {
            return Err(Error::NonFinite {
                argument: argument.into(),
                index,
                value: values[index],
            });
        }
        let count = values.len() as f64;
        let mean = finite(argument, values.iter().sum::<f64>() / count)?;
        let deviations = || values.iter().map(|x| (x - mean).abs());
        // In a unit in which the squares neither over- nor underflow.
        let unit = unit(deviations().fold(0.0, f64::max));
        let squares: f64 = deviations().map(|x| (x / unit).powi(2)).sum();
        let error = || finite(argument, (squares / (count * (count - 1.0))).sqrt() * unit);
        let standard_error = (values.len() > 1).then(error).transpose()?;
        Ok(SampleMean {
            mean,
            standard_error,
        })
    }
}

/// With as many decimals as the format asks for, or four.
impl fmt::Display for SampleMean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(4);
        write!(f, "{:.decimals$}", self.mean)?;
        match self.standard_error {
            Some(error) => write!(f, " ± {error:.decimals$}"),
            None => Ok(()),
        }
    }
}
