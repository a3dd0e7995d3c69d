//! The effective sample size of several chains (Geyer 1992, Practical Markov chain Monte Carlo, section 3.3; Vehtari et al. 2021, section 3.2).

use advect_core::Result;
use candle_core::Tensor;

use super::series::{Series, mean};
use super::split_r_hat::variances;

/// Returns the number of independent draws that would determine the mean of a series as precisely, `N/τ̂` with `τ̂ = 1 + 2 Σ ρ̂(t)` over half chains. Sums of two neighbouring
/// correlations are taken as long as they are positive, and none is larger than the one before (Geyer's initial monotone sequence), so that chains that alternate have more than N.
/// It is at most `N log₁₀ N`. A constant has N.
///
/// ```
/// use advect_core::Generator;
/// use advect_samplers::diagnostics::effective_sample_size;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // x' = −0.5 x + z alternates: N (1 + 0.5)/(1 − 0.5) = 3 N.
/// let noise = Generator::from_seed(0).values(&rand_distr::StandardNormal, 20_000)?;
/// let chain: Vec<f64> = noise.iter().scan(0.0, |x, z| { *x = -0.5 * *x + z; Some(*x) }).collect();
/// let size = effective_sample_size(&Tensor::new(chain, &Device::Cpu)?)?;
/// assert!((size - 60_000.0).abs() < 12_000.0);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`](advect_core::Error::Shape) for a series that is not `(steps, chains)` or `(steps,)` of at least 8 steps, [`Error::NonFinite`](advect_core::Error::NonFinite) for
/// one with NaN or infinity.
#[doc(alias = "ESS")]
pub fn effective_sample_size(series: &Tensor) -> Result<f64> {
    let halves = Series::new(series, 8)?.split();
    let (within, pooled) = variances(&halves);
    let count = halves.len() as f64;
    if pooled <= 0.0 {
        return Ok(count);
    }
    let n = halves.steps as f64;
    let correlation = |lag: usize| {
        let covariances = halves.chains.iter().map(|chain| {
            let mean = mean(chain);
            let pairs = chain.iter().zip(&chain[lag..]);
            pairs.map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>() / (n - 1.0)
        });
        let covariance = covariances.sum::<f64>() / halves.chains.len() as f64;
        1.0 - (within - covariance) / pooled
    };
    // 1 + 2 Σ ρ(t) = −1 + 2 Σ (ρ(2k) + ρ(2k + 1)).
    let (mut sum, mut before) = (0.0, f64::INFINITY);
    for k in 0..halves.steps / 2 {
        // ρ(0) is 1, by definition.
        let even = if k == 0 { 1.0 } else { correlation(2 * k) };
        let pair = (even + correlation(2 * k + 1)).min(before);
        if pair <= 0.0 {
            break;
        }
        sum += pair;
        before = pair;
    }
    let time = (2.0 * sum - 1.0).max(1.0 / count.log10());
    Ok(count / time)
}
