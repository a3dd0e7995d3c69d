//! The potential scale reduction factor (Gelman et al. 2013, Bayesian data analysis, section 11.4; Vehtari et al. 2021, Rank-normalization, folding, and localization, eq. 1 to 4).

use advect_core::Result;
use candle_core::Tensor;

use super::series::{Series, mean, variance};

/// Returns split R̂ of a series, `√(var⁺/W)`: the variance W within half chains of n steps, and `var⁺ = (n − 1)/n W + B/n` with the variance B/n of their means. It approaches 1 from
/// above as chains forget where they began; above 1.01 they have not. A constant has 1.
///
/// ```
/// use advect_samplers::diagnostics::split_r_hat;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let apart = Tensor::new(&[[0f64, 10.0], [1.0, 11.0], [0.0, 10.0], [1.0, 11.0]], &Device::Cpu)?;
/// assert!((split_r_hat(&apart)? - (0.5f64 + 100.0 / 1.5).sqrt()).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`](advect_core::Error::Shape) for a series that is not `(steps, chains)` or `(steps,)` of at least 4 steps, [`Error::NonFinite`](advect_core::Error::NonFinite) for
/// one with NaN or infinity.
#[doc(alias = "Gelman–Rubin")]
#[doc(alias = "potential scale reduction")]
pub fn split_r_hat(series: &Tensor) -> Result<f64> {
    let halves = Series::new(series, 4)?.split();
    let (within, pooled) = variances(&halves);
    Ok(match within > 0.0 {
        true => (pooled / within).sqrt(),
        false if pooled > 0.0 => f64::INFINITY,
        false => 1.0,
    })
}

/// The variance within chains, and that of all of them.
pub(super) fn variances(series: &Series) -> (f64, f64) {
    let n = series.steps as f64;
    let within: Vec<f64> = series.chains.iter().map(|c| variance(c)).collect();
    let within = mean(&within);
    let means: Vec<f64> = series.chains.iter().map(|c| mean(c)).collect();
    let between = if means.len() > 1 {
        variance(&means)
    } else {
        0.0
    };
    (within, (n - 1.0) / n * within + between)
}
