//! Smooth curves through a sample of each snapshot (Rohbeck et al. 2025, "Modeling complex system dynamics with flow matching
//! across time and conditions"; Lee et al. 2025, "Multi-marginal stochastic flow matching").

use advect_core::{Coefficient, Error, Generator, Result, check};
use advect_ops::combine;
use advect_paths::coupling::Coupling;
use candle_core::{Device, Tensor};
use rand_distr::StandardUniform;

use super::{CurveEnds, CurvePoints, Interpolation, SnapshotPath};
use crate::Snapshots;

/// Curves through one sample of each snapshot: samples of neighbouring times are linked by a coupling, from the last time to the first, and
/// an [`Interpolation`] leads through them. Noise of a constant deviation may be around the curves.
///
/// The coupling must give each target one source, as all do by default; their pairs with replacement are refused. Where all weights
/// are equal the law of the curves at a snapshot's time is that of its samples; a coupling that repeats sources keeps it on average.
///
/// ```
/// use advect_core::Generator;
/// use advect_paths::coupling::ExactOt;
/// use advect_trajectories::Snapshots;
/// use advect_trajectories::path::{NaturalCubic, SnapshotPath, Spline};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // x = 2 t for every sample.
/// let at = |x: f64| Tensor::new(&[[x]], &Device::Cpu);
/// let snapshots = Snapshots::new(&[0.0, 2.0, 3.0], &[at(0.0)?, at(4.0)?, at(6.0)?])?;
/// let points = Spline::new(ExactOt, NaturalCubic, 8)?.sample(&snapshots, &mut Generator::from_seed(0))?;
/// for (t, x) in points.times.iter().zip(points.x.to_vec2::<f64>()?) {
///     assert!((x[0] - 2.0 * t).abs() < 1e-12);
/// }
/// # Ok(())
/// # }
/// ```
#[doc(alias = "multi-marginal flow matching")]
#[doc(alias = "MMFM")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spline<C, I> {
    coupling: C,
    interpolation: I,
    batch: usize,
    sigma: f64,
}

impl<C: Coupling, I: Interpolation> Spline<C, I> {
    /// Creates curves, a number of them in each batch, without noise.
    ///
    /// # Errors
    /// [`Error::Range`] for 0.
    pub fn new(coupling: C, interpolation: I, batch: usize) -> Result<Self> {
        let batch = check::at_least_one("batch", batch)?;
        Ok(Spline {
            coupling,
            interpolation,
            batch,
            sigma: 0.0,
        })
    }

    /// Sets the standard deviation of the noise around the curves.
    ///
    /// # Errors
    /// [`Error::Range`] for a negative or infinite one.
    pub fn noise(self, sigma: f64) -> Result<Self> {
        let sigma = check::non_negative("sigma", sigma)?;
        Ok(Spline { sigma, ..self })
    }

    /// A batch of samples for each snapshot, whose k-th ones belong to one curve.
    fn knots(&self, snapshots: &Snapshots, rng: &mut Generator) -> Result<Vec<Tensor>> {
        let last = snapshots.len() - 1;
        let mut knots = vec![snapshots.at(last).draw(self.batch, rng)?];
        for k in (0..last).rev() {
            let before = snapshots.at(k).draw(self.batch, rng)?;
            let after = &knots[knots.len() - 1];
            let pairs = self.coupling.pair(&before, after, rng)?.by_target()?;
            if pairs.len() != self.batch {
                let given = format!("{} pairs of {} targets", pairs.len(), self.batch);
                return Err(Error::range(
                    "coupling",
                    given,
                    "one source for each target",
                ));
            }
            knots.push(pairs.source(&before)?);
        }
        knots.reverse();
        Ok(knots)
    }
}

impl<C: Coupling, I: Interpolation> Spline<C, I> {
    /// States on the curves, with their noise.
    fn around(&self, x: Tensor, rng: &mut Generator) -> Result<Tensor> {
        match self.sigma > 0.0 {
            true => Ok((&x + (rng.normal_like(&x)? * self.sigma)?)?),
            false => Ok(x),
        }
    }

    /// Points of the curves through some knots.
    fn points(&self, knots: &[Tensor], at: &[f64], rng: &mut Generator) -> Result<CurvePoints> {
        let (start, end) = (at[0], at[at.len() - 1]);
        // One time in each of as many equal stretches as there are curves, which are in random order.
        let count = self.batch as f64;
        let parts = rng
            .values(&StandardUniform, self.batch)?
            .into_iter()
            .enumerate();
        let times: Vec<f64> = parts
            .map(|(i, u)| start + (end - start) * ((i as f64 + u) / count))
            .collect();
        let order = rng
            .permutation(self.batch, &Device::Cpu)?
            .to_vec1::<u32>()?;
        let times: Vec<f64> = order.iter().map(|&i| times[i as usize]).collect();
        let weights: Vec<_> = (times.iter())
            .map(|&t| self.interpolation.weights(at, t))
            .collect();
        let (values, slopes): (Vec<_>, Vec<_>) = weights.into_iter().unzip();
        let x = self.around(weighted(&values, knots)?, rng)?;
        let velocity = weighted(&slopes, knots)?;
        let durations = vec![(end - start) / count; self.batch];
        Ok(CurvePoints::new(times, x, velocity, durations))
    }
}

impl<C: Coupling, I: Interpolation> SnapshotPath for Spline<C, I> {
    fn sample(&self, snapshots: &Snapshots, rng: &mut Generator) -> Result<CurvePoints> {
        let knots = self.knots(snapshots, rng)?;
        self.points(&knots, &snapshots.times(), rng)
    }

    fn sample_with_ends(
        &self,
        snapshots: &Snapshots,
        rng: &mut Generator,
    ) -> Result<(CurvePoints, [CurveEnds; 2])> {
        let knots = self.knots(snapshots, rng)?;
        let points = self.points(&knots, &snapshots.times(), rng)?;
        let mut end = |knot: &Tensor| -> Result<CurveEnds> {
            let x = self.around(knot.clone(), rng)?;
            Ok(CurveEnds::new(x, vec![1.0; self.batch]))
        };
        let ends = [end(&knots[0])?, end(&knots[knots.len() - 1])?];
        Ok((points, ends))
    }
}

/// The sum `Σ_k w_k x_k` of each curve, by its own weights.
fn weighted(weights: &[Vec<f64>], knots: &[Tensor]) -> Result<Tensor> {
    let term = |(k, x)| {
        let factors = weights.iter().map(|w| w[k]).collect();
        (Coefficient::PerSample(factors), x)
    };
    let terms: Vec<_> = knots.iter().enumerate().map(term).collect();
    combine(&terms)
}
