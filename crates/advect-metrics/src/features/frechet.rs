//! The Fréchet distance of features, and its error by resampling.

use advect_core::{Error, Generator, Result};
use candle_core::{Device, Tensor};

use super::{FeatureStatistics, row_pair};

/// Returns the Fréchet distance of features `(n, d)` and `(m, d)`: that of the Gaussian laws with their means and covariances, see
/// [`GaussianMoments::frechet_distance`](crate::GaussianMoments::frechet_distance). With features of Inception-v3 it is the FID (Heusel et al. 2017).
///
/// It is biased: even for two samples of one law it is above 0, by about `1/n + 1/m` times a number that depends on the law. Compare
/// distances at equal numbers of samples only, or [extrapolate](crate::extrapolated_frechet_distance) them.
///
/// ```
/// use advect_core::Generator;
/// use advect_metrics::frechet_distance;
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let mut rng = Generator::from_seed(0);
/// let x = rng.normal((2000, 4), DType::F32, &Device::Cpu)?;
/// let y = rng.normal((2000, 4), DType::F32, &Device::Cpu)?;
/// assert!(frechet_distance(&x, &y)? < 0.03);
/// // Four dimensions, each with 1² between the means and (2 − 1)² between the deviations.
/// assert!((frechet_distance(&x, &(y * 2.0)?.affine(1.0, 1.0)?)? - 8.0).abs() < 1.0);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Range`] unless there are more samples than dimensions, as [`FeatureStatistics::moments`] says; [`Error::Shape`] for different
/// dimensions; `Empty`, `NonFinite`, `DType`.
#[doc(alias = "FID")]
#[doc(alias = "Fréchet inception distance")]
pub fn frechet_distance(x: &Tensor, y: &Tensor) -> Result<f64> {
    let (x, y) = row_pair(("x", x), ("y", y))?;
    of_rows(&x, &y)
}

fn of_rows(x: &Tensor, y: &Tensor) -> Result<f64> {
    let x = FeatureStatistics::of_rows(x)?.moments()?;
    let y = FeatureStatistics::of_rows(y)?.moments()?;
    x.frechet_distance(&y)
}

/// A Fréchet distance with its standard error by the bootstrap.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct FrechetBootstrap {
    /// The distance of all samples.
    pub distance: f64,
    /// The standard deviation of the distances of resampled features.
    pub standard_error: f64,
}

/// Returns the [`frechet_distance`] with its standard error: both sets of features are drawn anew, with replacement, as often as
/// `resamples` says (Efron 1979). The error tells how far another draw of samples would lead, not the bias.
///
/// ```
/// use advect_core::Generator;
/// use advect_metrics::bootstrap_frechet_distance;
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let mut rng = Generator::from_seed(0);
/// let x = rng.normal((400, 1), DType::F64, &Device::Cpu)?;
/// let y = (rng.normal((400, 1), DType::F64, &Device::Cpu)? + 3.0)?;
/// let found = bootstrap_frechet_distance(&x, &y, 100, &mut rng)?;
/// // The difference of the means has variance 2/400, and 3² changes six times as much.
/// assert!((found.standard_error / (6.0 * (2.0 / 400f64).sqrt()) - 1.0).abs() < 0.4);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`frechet_distance`]; [`Error::Range`] for fewer than two resamples.
pub fn bootstrap_frechet_distance(
    x: &Tensor,
    y: &Tensor,
    resamples: usize,
    rng: &mut Generator,
) -> Result<FrechetBootstrap> {
    if resamples < 2 {
        return Err(Error::range("resamples", resamples, "at least 2"));
    }
    let (x, y) = row_pair(("x", x), ("y", y))?;
    let distance = of_rows(&x, &y)?;
    let mut again = |rows: &Tensor| -> Result<Tensor> {
        let count = rows.dim(0)?;
        let drawn = rng.integers(0..count as u32, count, &Device::Cpu)?;
        Ok(rows.index_select(&drawn, 0)?)
    };
    let mut distances = Vec::new();
    for _ in 0..resamples {
        distances.push(of_rows(&again(&x)?, &again(&y)?)?);
    }
    let count = resamples as f64;
    let mean = distances.iter().sum::<f64>() / count;
    let squares: f64 = distances.iter().map(|x| (x - mean).powi(2)).sum();
    Ok(FrechetBootstrap {
        distance,
        standard_error: (squares / (count - 1.0)).sqrt(),
    })
}
