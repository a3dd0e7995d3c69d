//! The maximum mean discrepancy (Gretton et al. 2012).

use advect_core::{Error, Result, check};
use advect_transport::Points;
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
    let kernel = gaussian(bandwidth / unit);
    finite(
        "x, y",
        mean_within(&x, &kernel) + mean_within(&y, &kernel) - 2.0 * mean_between(&x, &y, &kernel),
    )
}

/// Returns [`mmd2`] of samples with weights, one for each: none below 0, of any sum above 0, by which they are divided. The
/// estimate within a sample of weights w is `Σ_(i≠j) w_i w_j k(x_i, x_j) / (1 − Σ_i w_i²)`, without bias as well.
///
/// ```
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[0f64], [2.0], [3.0]], &Device::Cpu)?;
/// let y = Tensor::new(&[[1f64], [4.0]], &Device::Cpu)?;
/// let equal = advect_metrics::mmd2_weighted(&x, &[1.0; 3], &y, &[0.5; 2], 2.0)?;
/// assert!((equal - advect_metrics::mmd2(&x, &y, 2.0)?).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`mmd2`]; [`Error::Shape`] and [`Error::Range`] for weights that don't fit; [`Error::Range`] if all of the weight is on one sample.
pub fn mmd2_weighted(
    x: &Tensor,
    x_weights: &[f64],
    y: &Tensor,
    y_weights: &[f64],
    bandwidth: f64,
) -> Result<f64> {
    check::positive("bandwidth", bandwidth)?;
    let Scaled { x, y, unit } = Scaled::new(("x", x), ("y", y))?;
    at_least_two(&x, &y)?;
    let kernel = gaussian(bandwidth / unit);
    let a = normalized("x_weights", x_weights, x.count())?;
    let b = normalized("y_weights", y_weights, y.count())?;
    let within = |name: &'static str, points: &Points, weights: &[f64]| {
        let same: f64 = weights.iter().map(|w| w * w).sum();
        if same >= 1.0 {
            let given = "weights of one sample only";
            return Err(Error::range(name, given, "weights of two samples or more"));
        }
        let all = weighted_sum(points, weights, points, weights, &kernel);
        Ok((all - same) / (1.0 - same))
    };
    let between = weighted_sum(&x, &a, &y, &b, &kernel);
    finite(
        "x, y",
        within("x_weights", &x, &a)? + within("y_weights", &y, &b)? - 2.0 * between,
    )
}

/// The kernel of squared distances.
fn gaussian(bandwidth: f64) -> impl Fn(f64) -> f64 {
    move |d2| match d2 {
        0.0 => 1.0,
        _ => (-0.5 * (d2.sqrt() / bandwidth).powi(2)).exp(),
    }
}

/// Weights of sum 1.
fn normalized(name: &'static str, weights: &[f64], count: usize) -> Result<Vec<f64>> {
    if weights.len() != count {
        let accepted = format!("({count},), one for each sample");
        return Err(Error::shape(name, &[weights.len()], accepted));
    }
    for &weight in weights {
        check::non_negative(name, weight)?;
    }
    let sum = check::positive(name, weights.iter().sum())?;
    Ok(weights.iter().map(|w| w / sum).collect())
}

/// `Σ_ij a_i b_j f(|x_i − y_j|²)`.
fn weighted_sum(x: &Points, a: &[f64], y: &Points, b: &[f64], f: impl Fn(f64) -> f64) -> f64 {
    let mut row = vec![0.0; y.count()];
    let mut sum = 0.0;
    for (i, weight) in a.iter().enumerate() {
        x.squared_distances(y, i, &mut row);
        sum += weight * row.iter().zip(b).map(|(&d, b)| b * f(d)).sum::<f64>();
    }
    sum
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

    /// A sample of weight 0 is as if it were not there, and weights that repeat a sample tell the law that it has then.
    #[test]
    fn weights_are_those_of_the_law() {
        let mut rng = Generator::from_seed(2);
        let x = rng.normal((60, 2), DType::F64, &Device::Cpu).unwrap();
        let y = rng.normal((50, 2), DType::F64, &Device::Cpu).unwrap();
        let part = mmd2(&x.narrow(0, 0, 40).unwrap(), &y, 1.0).unwrap();
        let weights: Vec<f64> = (0..60).map(|i| if i < 40 { 2.0 } else { 0.0 }).collect();
        let weighted = mmd2_weighted(&x, &weights, &y, &[1.0; 50], 1.0).unwrap();
        assert!((part - weighted).abs() < 1e-12, "{part} {weighted}");
        for (weights, message) in [
            (vec![1.0; 3], "x_weights: got shape [3]"),
            (vec![-1.0; 60], "x_weights: got -1"),
            (vec![0.0; 60], "x_weights: got 0"),
        ] {
            let error = mmd2_weighted(&x, &weights, &y, &[1.0; 50], 1.0).unwrap_err();
            assert!(error.to_string().starts_with(message), "{error}");
        }
        let mut alone = vec![0.0; 60];
        alone[3] = 1.0;
        let error = mmd2_weighted(&x, &alone, &y, &[1.0; 50], 1.0).unwrap_err();
        assert!(error.to_string().contains("one sample only"), "{error}");
    }
}
