//! Distances of predicted samples from observed ones.

use advect_core::{Error, Generator, Result, check};
use advect_metrics::{
    median_bandwidth, mmd2_weighted, wasserstein1, wasserstein1_weighted, wasserstein2,
    wasserstein2_weighted,
};
use candle_core::{Device, Tensor};

use crate::Snapshot;

/// The number of times that a snapshot is halved.
const HALVINGS: usize = 10;

/// The distances between two sets of samples.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Distances {
    /// The 1-Wasserstein distance.
    pub wasserstein1: f64,
    /// The 2-Wasserstein distance.
    pub wasserstein2: f64,
    /// The squared maximum mean discrepancy for a Gaussian kernel as wide as the median distance within the snapshot. Its
    /// estimate has no bias, so that it may be below 0.
    pub mmd2: f64,
}

impl Distances {
    fn each(of: impl Fn(fn(&Distances) -> f64) -> f64) -> Self {
        Distances {
            wasserstein1: of(|d| d.wasserstein1),
            wasserstein2: of(|d| d.wasserstein2),
            mmd2: of(|d| d.mmd2),
        }
    }
}

/// A comparison of predicted samples with a snapshot: their distances, and those within the snapshot itself.
///
/// ```
/// use advect_core::Generator;
/// use advect_trajectories::{Comparison, Snapshots};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let mut rng = Generator::from_seed(0);
/// let x = rng.normal((100, 2), DType::F64, &Device::Cpu)?;
/// let snapshots = Snapshots::new(&[0.0, 1.0], &[x.clone(), (&x + 1.0)?])?;
/// // That nothing moves is a prediction, too.
/// let found = Comparison::new(&x, snapshots.at(1), &mut rng)?;
/// assert!((found.predicted.wasserstein2 - 2f64.sqrt()).abs() < 1e-9);
/// assert!(found.floor.wasserstein2 < 0.7 && found.floor_deviation.wasserstein2 < 0.1);
/// assert!(found.predicted.mmd2 > 0.2 && found.floor.mmd2.abs() < 0.02);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Comparison {
    /// The distances of the predicted samples from the snapshot.
    pub predicted: Distances,
    /// The distances between two random halves of the snapshot, each of half as many samples: the part that is due to sampling.
    /// They are means over ten divisions into halves.
    pub floor: Distances,
    /// The standard deviations of those distances over the ten divisions.
    pub floor_deviation: Distances,
}

impl Comparison {
    /// Compares predicted samples of equal weights with a snapshot, whose halves are drawn anew.
    ///
    /// # Errors
    /// [`Error::Range`] for a snapshot of fewer than four samples, whose halves have no spread, and for one of equal samples; the errors of
    /// [`wasserstein2`](advect_metrics::wasserstein2).
    pub fn new(predicted: &Tensor, seen: &Snapshot, rng: &mut Generator) -> Result<Self> {
        let count = seen.count();
        if count < 4 {
            let given = format!("{count} samples");
            return Err(Error::range("seen", given, "four samples or more"));
        }
        check::batch("predicted", predicted)?;
        let bandwidth = median_bandwidth(seen.samples(), seen.samples())?;
        let bandwidth = check::positive("the median distance of samples", bandwidth)?;
        let seen_as = |x: &Tensor, a: Option<&[f64]>, y: &Tensor, b: Option<&[f64]>| {
            let equal = |x: &Tensor| vec![1.0 / x.dims()[0] as f64; x.dims()[0]];
            let (of_x, of_y) = (
                a.map_or_else(|| equal(x), <[f64]>::to_vec),
                b.map_or_else(|| equal(y), <[f64]>::to_vec),
            );
            // Equal weights and numbers are an assignment, which is faster.
            let [wasserstein1, wasserstein2] = match (a, b) {
                (None, None) => [wasserstein1(x, y)?, wasserstein2(x, y)?],
                _ => [
                    wasserstein1_weighted(x, &of_x, y, &of_y)?,
                    wasserstein2_weighted(x, &of_x, y, &of_y)?,
                ],
            };
            Ok::<_, Error>(Distances {
                wasserstein1,
                wasserstein2,
                mmd2: mmd2_weighted(x, &of_x, y, &of_y, bandwidth)?,
            })
        };
        let mut floors = Vec::with_capacity(HALVINGS);
        for _ in 0..HALVINGS {
            let order = rng.permutation(count, &Device::Cpu)?;
            let half = |start: usize, length: usize| -> Result<(Tensor, Option<Vec<f64>>)> {
                let rows = order.narrow(0, start, length)?;
                let weights = match seen.weights() {
                    None => None,
                    Some(weights) => {
                        let numbers = rows.to_vec1::<u32>()?;
                        let weights: Vec<f64> =
                            numbers.iter().map(|&i| weights[i as usize]).collect();
                        let sum: f64 = weights.iter().sum();
                        let sum = check::positive("the weights of half of the samples", sum)?;
                        Some(weights.iter().map(|w| w / sum).collect())
                    }
                };
                let rows = rows.to_device(seen.samples().device())?;
                Ok((seen.samples().index_select(&rows, 0)?, weights))
            };
            let ((x, a), (y, b)) = (half(0, count / 2)?, half(count / 2, count - count / 2)?);
            floors.push(seen_as(&x, a.as_deref(), &y, b.as_deref())?);
        }
        let mean = |f: fn(&Distances) -> f64| floors.iter().map(f).sum::<f64>() / HALVINGS as f64;
        let deviation = |f: fn(&Distances) -> f64| {
            let squares = floors.iter().map(|d| (f(d) - mean(f)).powi(2));
            (squares.sum::<f64>() / (HALVINGS - 1) as f64).sqrt()
        };
        Ok(Comparison {
            predicted: seen_as(predicted, None, seen.samples(), seen.weights())?,
            floor: Distances::each(mean),
            floor_deviation: Distances::each(deviation),
        })
    }
}
