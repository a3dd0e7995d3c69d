//! Means of correlated numbers (Madras and Sokal 1988, appendix C; Sokal 1997, Monte Carlo methods in statistical mechanics, section 3; Wolff 2004, Monte Carlo errors with less
//! errors).

use advect_core::Result;
use candle_core::Tensor;

use super::series::Series;

/// Steps of a window for each step of the autocorrelation time: the rest of the sum is below e^(−5) of it for one exponential.
const WINDOW: f64 = 5.0;

/// The mean of a series whose steps are correlated, with its error, and the integrated autocorrelation time
///
/// `τ = ½ + Σ_(t ≥ 1) ρ(t)`, `ρ(t) = C(t)/C(0)`,
///
/// summed up to the least window `W ≥ 5 τ(W)` (Sokal). N numbers are worth `N/(2τ)` independent ones: the variance of the mean is `2 τ C(0)/N`. Correlations are about the mean
/// of all chains, so that chains that disagree are seen as a long τ.
///
/// τ counts as ½ where it is less, as for chains that alternate; [`effective_sample_size`](super::effective_sample_size) tells how much better these are.
///
/// ```
/// use advect_core::Generator;
/// use advect_samplers::diagnostics::CorrelatedMean;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // x' = 0.8 x + z: ρ(t) = 0.8^t, τ = ½ (1 + 0.8)/(1 − 0.8) = 4.5.
/// let noise = Generator::from_seed(0).values(&rand_distr::StandardNormal, 40_000)?;
/// let chain: Vec<f64> = noise.iter().scan(0.0, |x, z| { *x = 0.8 * *x + z; Some(*x) }).collect();
/// let mean = CorrelatedMean::new(&Tensor::new(chain, &Device::Cpu)?)?;
/// assert!((mean.autocorrelation_time() - 4.5).abs() < 3.0 * mean.autocorrelation_time_error());
/// assert!(mean.mean().abs() < 3.0 * mean.standard_error());
/// # Ok(())
/// # }
/// ```
#[doc(alias = "integrated autocorrelation time")]
#[doc(alias = "tau_int")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CorrelatedMean {
    mean: f64,
    variance: f64,
    time: f64,
    window: usize,
    count: usize,
}

impl CorrelatedMean {
    /// Computes the mean of a series, `(steps, chains)` or `(steps,)`.
    ///
    /// The window is at most half of the steps. Steps of less than about a hundred τ give too small a τ.
    ///
    /// # Errors
    /// [`Error::Shape`](advect_core::Error::Shape) for a series of another shape or of less than 4 steps, [`Error::NonFinite`](advect_core::Error::NonFinite) for one with NaN
    /// or infinity.
    pub fn new(series: &Tensor) -> Result<Self> {
        let series = Series::new(series, 4)?;
        let mean = series.mean();
        let variance = series.covariance(mean, 0);
        let (mut time, mut window) = (0.5, 0);
        // A constant has no correlations.
        while variance > 0.0 && window < series.steps / 2 {
            window += 1;
            time += series.covariance(mean, window) / variance;
            if window as f64 >= WINDOW * time {
                break;
            }
        }
        Ok(CorrelatedMean {
            mean,
            variance,
            time: time.max(0.5),
            window,
            count: series.len(),
        })
    }

    /// Returns the mean.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Returns the standard error of the mean, `√(2 τ C(0)/N)`.
    pub fn standard_error(&self) -> f64 {
        (2.0 * self.time * self.variance / self.count as f64).sqrt()
    }

    /// Returns the integrated autocorrelation time τ in steps, ½ for independent numbers.
    pub fn autocorrelation_time(&self) -> f64 {
        self.time
    }

    /// Returns the standard error of τ, `τ √(4 (W + ½ − τ)/N)` (Wolff 2004, eq. 42).
    pub fn autocorrelation_time_error(&self) -> f64 {
        let width = (self.window as f64 + 0.5 - self.time).max(0.0);
        self.time * (4.0 * width / self.count as f64).sqrt()
    }

    /// Returns the window W, in steps.
    pub fn window(&self) -> usize {
        self.window
    }

    /// Returns the number of independent draws that would give the same error, `N/(2τ)`.
    pub fn effective_sample_size(&self) -> f64 {
        self.count as f64 / (2.0 * self.time)
    }
}
