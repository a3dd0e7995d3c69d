//! The maximum mean discrepancy (Gretton et al. 2012).

use advect_core::{Error, Result, check};
use candle_core::Tensor;

use crate::scaled::Scaled;
use crate::{at_least_two, finite, mean_between, mean_within};

/// Returns the squared maximum mean discrepancy `MMD² = E k(X, X') + E k(Y, Y') − 2 E k(X, Y)` with the Gaussian kernel
/// `k(x, y) = exp(−|x − y|² / (2 bandwidth²))`, estimated without bias (Gretton et al. 2012, eq. 3) from batches `(n,
/// ...)` and `(m, ...)`.
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
/// [`Error::Range`] unless the bandwidth is above 0 and there are two samples
/// each; [`Error::Shape`] for different dimensions; `Empty` and `NonFinite`.
#[doc(alias = "maximum mean discrepancy")]
#[doc(alias = "KID")]
pub fn mmd2(x: &Tensor, y: &Tensor, bandwidth: f64) -> Result<f64> {
    check::positive("bandwidth", bandwidth)?;
    let Scaled { x, y, unit } = Scaled::new(("x", x), ("y", y))?;
    at_least_two(&x, &y)?;
    let bandwidth = bandwidth / unit;
    let kernel = |d2: f64| match d2 {
        0.0 => 1.0,
        _ => (-0.5 * (d2.sqrt() / bandwidth).powi(2)).exp(),
    };
    finite(
        "x, y",
        mean_within(&x, kernel) + mean_within(&y, kernel) - 2.0 * mean_between(&x, &y, kernel),
    )
}

/// Returns the median distance between points of `x` and points of `y`, a usual bandwidth.
///
/// # Errors
/// [`Error::Shape`] for samples of different dimensions; [`Error::Range`] where the median overflows, or for more pairs
/// than fit in memory; `Empty` and `NonFinite` errors.
#[doc(alias = "median heuristic")]
pub fn median_bandwidth(x: &Tensor, y: &Tensor) -> Result<f64> {
    let Scaled { x, y, unit } = Scaled::new(("x", x), ("y", y))?;
    let count = x.count().checked_mul(y.count());
    let count = count.filter(|count| *count <= isize::MAX as usize / size_of::<f64>());
    let count = count.ok_or_else(|| {
        let given = format!(
            "a pair of batches of {} and {} samples",
            x.count(),
            y.count()
        );
        Error::range(
            "x, y",
            given,
            "a pair of batches whose distances fit in memory",
        )
    })?;
    let mut distances = vec![0.0; count];
    for (i, row) in distances.chunks_exact_mut(y.count()).enumerate() {
        x.squared_distances(&y, i, row);
    }
    let middle = distances.len() / 2;
    let (_, median, _) = distances.select_nth_unstable_by(middle, f64::total_cmp);
    finite("x, y", median.sqrt() * unit)
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
