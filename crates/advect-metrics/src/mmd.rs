//! The maximum mean discrepancy (Gretton et al. 2012).

use advect_core::{Result, check};
use advect_transport::Points;
use candle_core::Tensor;

use crate::{at_least_two, finite, mean_between, mean_within};

/// `MMD² = E k(X, X') + E k(Y, Y') − 2 E k(X, Y)` with the Gaussian kernel
/// `k(x, y) = exp(−|x − y|² / (2 bandwidth²))`, estimated without bias (Gretton et al. 2012, eq. 3) from
/// batches `(n, ...)` and `(m, ...)`.
///
/// ```
/// use advect_core::Generator;
/// use advect_metrics::{median_bandwidth, mmd2};
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let mut rng = Generator::from_seed(0);
/// let x = rng.normal((400, 2), DType::F32, &Device::Cpu)?;
/// let y = rng.normal((400, 2), DType::F32, &Device::Cpu)?;
/// let bandwidth = median_bandwidth(&x, &y)?;
/// assert!(mmd2(&x, &y, bandwidth)?.abs() < 0.01);
/// assert!(mmd2(&x, &(y + 1.0)?, bandwidth)? > 0.1);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Range`](advect_core::Error::Range) unless the bandwidth is above 0 and there are two samples
/// each; [`Error::Shape`](advect_core::Error::Shape) for different dimensions; `Empty` and `NonFinite`.
pub fn mmd2(x: &Tensor, y: &Tensor, bandwidth: f64) -> Result<f64> {
    check::positive("bandwidth", bandwidth)?;
    let (x, y) = Points::pair(x, y)?;
    at_least_two(&x, &y)?;
    let kernel = |d2: f64| (-0.5 * (d2.sqrt() / bandwidth).powi(2)).exp();
    finite(mean_within(&x, kernel) + mean_within(&y, kernel) - 2.0 * mean_between(&x, &y, kernel))
}

/// The median distance between points of `x` and points of `y`: a usual bandwidth.
///
/// # Errors
/// [`Error::Shape`](advect_core::Error::Shape) for samples of different dimensions; `Empty` and
/// `NonFinite` errors.
pub fn median_bandwidth(x: &Tensor, y: &Tensor) -> Result<f64> {
    let (x, y) = Points::pair(x, y)?;
    let mut distances = vec![0.0; x.count() * y.count()];
    for (i, row) in distances.chunks_exact_mut(y.count()).enumerate() {
        x.squared_distances(&y, i, row);
    }
    let middle = distances.len() / 2;
    let (_, median, _) = distances.select_nth_unstable_by(middle, f64::total_cmp);
    Ok(median.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use advect_core::Generator;
    use candle_core::{DType, Device};

    /// For N(0, 1) and N(μ, 1) with bandwidth s: `2 s/√(s² + 2) (1 − exp(−μ² / (2 (s² + 2))))`.
    #[test]
    fn normals_have_the_closed_form() {
        let mut rng = Generator::from_seed(1);
        let x = rng.normal((4000, 1), DType::F64, &Device::Cpu).unwrap();
        let y = (rng.normal((3000, 1), DType::F64, &Device::Cpu).unwrap() + 1.5).unwrap();
        let (mu, s) = (1.5f64, 0.8f64);
        let v = s * s + 2.0;
        let expected = 2.0 * s / v.sqrt() * (1.0 - (-mu * mu / (2.0 * v)).exp());
        let estimate = mmd2(&x, &y, s).unwrap();
        assert!((estimate - expected).abs() < 0.02, "{estimate} {expected}");
        assert!(mmd2(&x, &y, 0.0).is_err());
    }
}
