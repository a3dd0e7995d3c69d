//! Correlations of a series with itself.

use advect_core::{Error, Result, check};
use candle_core::Tensor;

use super::series::Series;

/// Returns the autocorrelations `ρ(t) = C(t)/C(0)` of a series for t = 0, 1, …, `count − 1`, with `C(t)` the mean over all chains of `(x_s − x̄)(x_(s + t) − x̄)` about the mean of all.
///
/// ```
/// use advect_samplers::diagnostics::autocorrelation;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let alternating = Tensor::new(&[1f64, -1.0, 1.0, -1.0], &Device::Cpu)?;
/// assert_eq!(autocorrelation(&alternating, 3)?, [1.0, -1.0, 1.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`] for a series that is not `(steps, chains)` or `(steps,)` of at least `count` steps, [`Error::NonFinite`] for one with NaN or infinity; [`Error::Range`] for a count
/// of 0 and for a constant.
pub fn autocorrelation(series: &Tensor, count: usize) -> Result<Vec<f64>> {
    let series = Series::new(series, check::at_least_one("count", count)?)?;
    let mean = series.mean();
    let variance = series.covariance(mean, 0);
    if variance <= 0.0 {
        return Err(Error::range("series", "a constant", "numbers that vary"));
    }
    let covariances = (0..count).map(|lag| series.covariance(mean, lag));
    Ok(covariances.map(|c| c / variance).collect())
}
