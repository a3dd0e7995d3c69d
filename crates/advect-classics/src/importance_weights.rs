//! Importance sampling: means of weights, with their errors.

use advect_core::{Error, Result, check, shape};
use candle_core::{DType, Tensor};

/// The importance weights `w = p̃(x)/q(x)` of samples from a law q other than the target p̃, as logarithms.
///
/// The mean weight estimates the normaliser `Z = ∫ p̃(x) dx`, without bias, and means over `p̃/Z` are means with the weights (Robert and
/// Casella 2004, section 3.3).
///
/// ```
/// use advect_classics::ImportanceWeights;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let weights = ImportanceWeights::new(&Tensor::new(&[0f64, 3f64.ln()], &Device::Cpu)?)?;
/// assert!((weights.log_mean() - 2f64.ln()).abs() < 1e-14);
/// assert!((weights.effective_sample_size() - 1.6).abs() < 1e-14); // (1 + 3)²/(1² + 3²)
/// assert_eq!(weights.normalized()?.to_vec1::<f64>()?, [0.25, 0.75]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "ESS")]
#[doc(alias = "self-normalized importance sampling")]
#[derive(Debug, Clone, PartialEq)]
pub struct ImportanceWeights {
    /// The weights, divided by the largest.
    scaled: Vec<f64>,
    log_largest: f64,
}

impl ImportanceWeights {
    /// Creates the weights from their logarithms, `(samples,)`. A logarithm of −∞ is a weight of 0.
    ///
    /// # Errors
    /// [`Error::Shape`] unless they are `(samples,)`, [`Error::Empty`] without samples, [`Error::NonFinite`] for NaN and +∞,
    /// [`Error::Range`] if all weights are 0.
    pub fn new(log_weights: &Tensor) -> Result<Self> {
        check::batch("log_weights", log_weights)?;
        if log_weights.rank() != 1 {
            return Err(Error::shape(
                "log_weights",
                log_weights.dims(),
                "(samples,)",
            ));
        }
        let logarithms = shape::cast(log_weights, DType::F64)?.to_vec1::<f64>()?;
        if let Some(index) = logarithms
            .iter()
            .position(|w| w.is_nan() || *w == f64::INFINITY)
        {
            return Err(Error::NonFinite {
                argument: "log_weights".into(),
                index,
                value: logarithms[index],
            });
        }
        let log_largest = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if log_largest == f64::NEG_INFINITY {
            let accepted = "at least one weight above 0";
            return Err(Error::range(
                "log_weights",
                "weights that are all 0",
                accepted,
            ));
        }
        let scaled = logarithms.iter().map(|w| (w - log_largest).exp());
        Ok(ImportanceWeights {
            scaled: scaled.collect(),
            log_largest,
        })
    }

    /// Returns the logarithm of the mean weight, `ln (1/n) Σ w`: the estimate of ln Z.
    #[doc(alias = "log partition function")]
    pub fn log_mean(&self) -> f64 {
        self.log_largest + self.mean().ln()
    }

    /// Returns the standard error of [`log_mean`](ImportanceWeights::log_mean), `s/(w̄ √n)` with the standard deviation s of the weights: the
    /// first-order error of a logarithm. It is infinite for a single sample.
    ///
    /// A heavy tail of weights is not seen by it before one of them is drawn.
    pub fn standard_error(&self) -> f64 {
        let (n, mean) = (self.scaled.len() as f64, self.mean());
        if self.scaled.len() < 2 {
            return f64::INFINITY;
        }
        let squares: f64 = self.scaled.iter().map(|w| (w - mean).powi(2)).sum();
        (squares / (n - 1.0) / n).sqrt() / mean
    }

    /// Returns the effective sample size, `(Σ w)²/Σ w²`, from 1 to the number of samples (Kong 1992).
    pub fn effective_sample_size(&self) -> f64 {
        let sum: f64 = self.scaled.iter().sum();
        sum * sum / self.scaled.iter().map(|w| w * w).sum::<f64>()
    }

    /// Returns the weights divided by their sum, `(samples,)`, in f64 in the host's memory.
    ///
    /// # Errors
    /// Errors of candle.
    pub fn normalized(&self) -> Result<Tensor> {
        let sum: f64 = self.scaled.iter().sum();
        let parts: Vec<f64> = self.scaled.iter().map(|w| w / sum).collect();
        let count = parts.len();
        Ok(Tensor::from_vec(parts, count, &candle_core::Device::Cpu)?)
    }

    fn mean(&self) -> f64 {
        self.scaled.iter().sum::<f64>() / self.scaled.len() as f64
    }
}
