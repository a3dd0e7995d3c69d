//! Pairs of samples at neighbouring times, each interval by itself (the single-cell recipe of Tong et al. 2024a, "Improving
//! and generalizing flow-based generative models with minibatch optimal transport", section 5.2).

use advect_core::{Generator, Result, Time, check};
use advect_paths::coupling::Coupling;
use advect_paths::path::Path;
use candle_core::Tensor;
use rand_distr::StandardUniform;

use super::{CurveEnds, CurvePoints, SnapshotPath};
use crate::Snapshots;

/// Curves that lead from a sample of one snapshot to one of the next: a batch of pairs by a coupling for each two neighbouring
/// times, joined by a path on [0, 1] that is stretched to the time between them.
///
/// With [`ExactOt`](advect_paths::coupling::ExactOt) and straight lines it is OT-CFM on a time axis of several pieces, with
/// [`EntropicOt`](advect_paths::coupling::EntropicOt) and
/// [`SchrodingerBridge`](advect_paths::path::SchrodingerBridge)s it is SB-CFM. Each piece has the same number of points, however long
/// it is. Batches are drawn with replacement, by the snapshots' weights.
///
/// ```
/// use advect_core::Generator;
/// use advect_paths::coupling::ExactOt;
/// use advect_paths::{path::Affine, schedule::CondOt};
/// use advect_trajectories::Snapshots;
/// use advect_trajectories::path::{Chain, SnapshotPath};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let at = |x: f64| Tensor::new(&[[x]], &Device::Cpu);
/// let snapshots = Snapshots::new(&[0.0, 2.0, 3.0], &[at(0.0)?, at(4.0)?, at(5.0)?])?;
/// let chain = Chain::new(ExactOt, Affine::new(CondOt::default()), 8)?;
/// let points = chain.sample(&snapshots, &mut Generator::from_seed(0))?;
/// assert_eq!(points.x.dims(), [16, 1]);
/// let (x, v) = (points.x.to_vec2::<f64>()?, points.velocity.to_vec2::<f64>()?);
/// assert!(points.times[0] < 2.0 && (x[0][0] - 2.0 * points.times[0]).abs() < 1e-12 && v[0] == [2.0]);
/// assert_eq!((points.durations[0], points.durations[8], &v[8][..]), (0.25, 0.125, &[1.0][..]));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "OT-CFM")]
#[doc(alias = "SB-CFM")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chain<C, P> {
    coupling: C,
    path: P,
    batch: usize,
}

impl<C: Coupling, P: Path> Chain<C, P> {
    /// Creates a chain with a number of samples of each snapshot.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for 0.
    pub fn new(coupling: C, path: P, batch: usize) -> Result<Self> {
        let batch = check::at_least_one("batch", batch)?;
        Ok(Chain {
            coupling,
            path,
            batch,
        })
    }
}

impl<C: Coupling, P: Path> Chain<C, P> {
    /// Points of each piece, with the ends of the pairs that it joins.
    fn pieces(
        &self,
        snapshots: &Snapshots,
        rng: &mut Generator,
    ) -> Result<Vec<(CurvePoints, [Tensor; 2])>> {
        let mut pieces = Vec::with_capacity(snapshots.len() - 1);
        for k in 1..snapshots.len() {
            let (from, to) = (snapshots.at(k - 1), snapshots.at(k));
            let span = to.time() - from.time();
            let (x0, x1) = (from.draw(self.batch, rng)?, to.draw(self.batch, rng)?);
            let pairs = self.coupling.pair(&x0, &x1, rng)?;
            let parts = rng.values(&StandardUniform, pairs.len())?;
            let (x0, x1) = (pairs.source(&x0)?, pairs.target(&x1)?);
            let point = (self.path).sample(&Time::per_sample(&parts)?, &x0, &x1, rng)?;
            let times = parts.iter().map(|s| from.time() + s * span).collect();
            let durations = vec![span / parts.len() as f64; parts.len()];
            let velocity = (point.velocity()? / span)?;
            let points = CurvePoints::new(times, point.x, velocity, durations);
            pieces.push((points, [x0, x1]));
        }
        Ok(pieces)
    }
}

impl<C: Coupling, P: Path> SnapshotPath for Chain<C, P> {
    fn sample(&self, snapshots: &Snapshots, rng: &mut Generator) -> Result<CurvePoints> {
        let pieces = self.pieces(snapshots, rng)?;
        CurvePoints::joined(pieces.iter().map(|(points, _)| points))
    }

    fn sample_with_ends(
        &self,
        snapshots: &Snapshots,
        rng: &mut Generator,
    ) -> Result<(CurvePoints, [CurveEnds; 2])> {
        let pieces = self.pieces(snapshots, rng)?;
        let points = CurvePoints::joined(pieces.iter().map(|(points, _)| points))?;
        let mut end = |s: f64, [x0, x1]: &[Tensor; 2]| -> Result<CurveEnds> {
            let x = self.path.sample(&s.into(), x0, x1, rng)?.x;
            let masses = vec![1.0; x.dims()[0]];
            Ok(CurveEnds::new(x, masses))
        };
        let ends = [
            end(0.0, &pieces[0].1)?,
            end(1.0, &pieces[pieces.len() - 1].1)?,
        ];
        Ok((points, ends))
    }
}
