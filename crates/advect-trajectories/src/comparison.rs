//! Distances of predicted samples from those that were seen.

use advect_core::{Error, Generator, Result, check};
use advect_metrics::{wasserstein1, wasserstein1_weighted, wasserstein2, wasserstein2_weighted};
use candle_core::{Device, Tensor};

use crate::Snapshot;

/// The Wasserstein distances between two sets of samples.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Distances {
    /// The 1-Wasserstein distance.
    pub wasserstein1: f64,
    /// The 2-Wasserstein distance.
    pub wasserstein2: f64,
}

/// How near predicted samples come to a snapshot, and how near samples of the snapshot are to each other.
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
/// assert!(found.floor.wasserstein2 < 0.7);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Comparison {
    /// The distances of the predicted samples from the snapshot.
    pub predicted: Distances,
    /// The distances between two random halves of the snapshot, each of half as many samples: what the noise of sampling makes.
    pub floor: Distances,
}

impl Comparison {
    /// Compares predicted samples of equal weights with a snapshot, whose halves are drawn anew.
    ///
    /// # Errors
    /// [`Error::Range`] for a snapshot of one sample, which has no halves; the errors of
    /// [`wasserstein2`](advect_metrics::wasserstein2).
    pub fn new(predicted: &Tensor, seen: &Snapshot, rng: &mut Generator) -> Result<Self> {
        let count = seen.count();
        if count < 2 {
            return Err(Error::range("seen", "one sample", "two samples or more"));
        }
        let predicted = match seen.weights() {
            None => Distances {
                wasserstein1: wasserstein1(predicted, seen.samples())?,
                wasserstein2: wasserstein2(predicted, seen.samples())?,
            },
            Some(weights) => {
                let equal = check::batch("predicted", predicted)?;
                let equal = vec![1.0 / equal as f64; equal];
                let (x, y) = (predicted, seen.samples());
                Distances {
                    wasserstein1: wasserstein1_weighted(x, &equal, y, weights)?,
                    wasserstein2: wasserstein2_weighted(x, &equal, y, weights)?,
                }
            }
        };
        let order = rng.permutation(count, &Device::Cpu)?;
        let half = |start: usize, length: usize| -> Result<(Tensor, Vec<f64>)> {
            let rows = order.narrow(0, start, length)?;
            let numbers = rows.to_vec1::<u32>()?;
            let weights = numbers.iter().map(|&i| match seen.weights() {
                Some(weights) => weights[i as usize],
                None => 1.0,
            });
            let weights: Vec<f64> = weights.collect();
            let sum: f64 = weights.iter().sum();
            let sum = check::positive("the weights of half of the samples", sum)?;
            let rows = rows.to_device(seen.samples().device())?;
            let samples = seen.samples().index_select(&rows, 0)?;
            Ok((samples, weights.iter().map(|w| w / sum).collect()))
        };
        let ((x, a), (y, b)) = (half(0, count / 2)?, half(count / 2, count - count / 2)?);
        Ok(Comparison {
            predicted,
            floor: Distances {
                wasserstein1: wasserstein1_weighted(&x, &a, &y, &b)?,
                wasserstein2: wasserstein2_weighted(&x, &a, &y, &b)?,
            },
        })
    }
}
