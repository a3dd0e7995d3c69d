//! The Fréchet distance of infinitely many samples (Chong and Forsyth 2020).

use advect_core::{Error, Generator, Result};
use candle_core::Tensor;

use super::{FeatureStatistics, GaussianMoments, rows, subset};

/// A Fréchet distance without the bias of few samples: the line through distances at several numbers of samples, at `1/n = 0`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ExtrapolatedFrechet {
    /// The distance at infinitely many samples, FID∞.
    pub distance: f64,
    /// Its standard error, from the residuals of the line.
    pub standard_error: f64,
    /// The numbers of samples, with their distances.
    pub points: Vec<(usize, f64)>,
}

/// Returns the Fréchet distance of features `(n, d)` to a reference, extrapolated to infinitely many samples (Chong and Forsyth 2020, section 4).
///
/// The bias is near `c/n` with a factor that depends on the network, so that models can't be ranked at any n. Distances are taken at
/// `points` numbers of samples, at equal distances from `smallest` to all, each of samples drawn anew from those that are there, and a line in
/// `1/n` is fitted by least squares. The paper has 15 points from 5,000 to 50,000. What the reference lacks in samples is not extrapolated.
///
/// ```
/// use advect_core::Generator;
/// use advect_metrics::{FeatureStatistics, extrapolated_frechet_distance};
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let mut rng = Generator::from_seed(0);
/// let reference = rng.normal((20_000, 8), DType::F64, &Device::Cpu)?;
/// let x = rng.normal((2000, 8), DType::F64, &Device::Cpu)?;
/// let moments = FeatureStatistics::of(&reference)?.moments()?;
/// let found = extrapolated_frechet_distance(&x, &moments, 200, 15, &mut rng)?;
/// assert!(found.points[0].1 > 0.08);
/// assert!(found.distance.abs() < 0.02);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Range`] for fewer than three points, for a smallest number that is not above the number of dimensions or not below the number of
/// samples; [`Error::Shape`] for a reference of another dimension; errors of [`GaussianMoments::frechet_distance`]; `Empty`, `NonFinite`, `DType`.
#[doc(alias = "FID∞")]
#[doc(alias = "FID infinity")]
pub fn extrapolated_frechet_distance(
    features: &Tensor,
    reference: &GaussianMoments,
    smallest: usize,
    points: usize,
    rng: &mut Generator,
) -> Result<ExtrapolatedFrechet> {
    let rows = rows("features", features)?;
    let (count, dim) = rows.dims2()?;
    if points < 3 {
        return Err(Error::range("points", points, "at least 3"));
    }
    if smallest <= dim || smallest >= count {
        let accepted = format!(
            "a number above {dim}, the number of dimensions, and below {count}, that of samples"
        );
        return Err(Error::range("smallest", smallest, accepted));
    }
    if reference.dim() != dim {
        let accepted = format!("({dim},), the dimension of the features");
        return Err(Error::shape("reference", &[reference.dim()], accepted));
    }
    let reference = reference.factored("reference")?;
    let mut found = Vec::new();
    for i in 0..points {
        let more = (count - smallest) as u128 * i as u128 / (points - 1) as u128;
        let size = smallest + more as usize;
        let moments = FeatureStatistics::of_rows(&subset(&rows, size, rng)?)?.moments()?;
        let distance = moments.factored("features")?.frechet_distance(&reference)?;
        found.push((size, distance));
    }
    let (distance, standard_error) = intercept(&found);
    Ok(ExtrapolatedFrechet {
        distance,
        standard_error,
        points: found,
    })
}

/// The value at `1/n = 0` of the line of least squares, and its standard error.
fn intercept(points: &[(usize, f64)]) -> (f64, f64) {
    let count = points.len() as f64;
    let points: Vec<[f64; 2]> = points.iter().map(|&(n, y)| [1.0 / n as f64, y]).collect();
    let mean = |axis: usize| points.iter().map(|p| p[axis]).sum::<f64>() / count;
    let [x, y] = [mean(0), mean(1)];
    let spread: f64 = points.iter().map(|p| (p[0] - x).powi(2)).sum();
    let slope = points.iter().map(|p| (p[0] - x) * (p[1] - y)).sum::<f64>() / spread;
    let residuals = points
        .iter()
        .map(|p| (p[1] - y - slope * (p[0] - x)).powi(2));
    let variance = residuals.sum::<f64>() / (count - 2.0);
    let error = (variance * (1.0 / count + x * x / spread)).sqrt();
    (y - slope * x, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distances `2 + 30/n` with residuals ±1 that are orthogonal to the line, and the formula of the intercept's variance.
    #[test]
    fn the_line_meets_its_intercept() {
        let line: Vec<(usize, f64)> = [10, 20, 40].map(|n| (n, 2.0 + 30.0 / n as f64)).to_vec();
        let (value, error) = intercept(&line);
        assert!(
            (value - 2.0).abs() < 1e-13 && error < 1e-13,
            "{value} {error}"
        );
        // 1/n = 1, 1/2 and 1/2, 1/4: by hand from the normal equations, X^T X = [[4, 2.25], [2.25, 1.5625]].
        let (_, error) = intercept(&[(1, 0.0), (2, 1.0), (2, -1.0), (4, 0.0)]);
        let inverse = 1.5625 / (4.0 * 1.5625 - 2.25 * 2.25);
        assert!((error - (1.0f64 * inverse).sqrt()).abs() < 1e-13, "{error}");
    }
}
