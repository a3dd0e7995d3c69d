//! Pairs of samples of neighbouring times with masses that change on the way, from plans of unbalanced transport (Chizat, Peyré,
//! Schmitzer and Vialard 2018, "Scaling algorithms for unbalanced optimal transport problems").

use advect_core::{Error, Generator, Result, Time, check};
use advect_paths::path::Path;
use advect_transport::{Cost, Plan, Sinkhorn};
use candle_core::{Device, Tensor};
use rand_distr::StandardUniform;

use super::{CurveEnds, CurvePoints, SnapshotPath};
use crate::{Snapshot, Snapshots};

/// Curves as those of a [`Chain`](super::Chain), with masses that grow and shrink: births and deaths take the place of
/// long transports.
///
/// A plan π of unbalanced transport between samples i of one snapshot and j of the next, of masses `a_i` and `b_j`, splits the mass of
/// each sample among its partners. A pair begins with the mass `a_i π_ij / Σ_j π_ij`, ends with `b_j π_ij / Σ_i π_ij`, and changes at a constant
/// rate r in between, the growth: `d(ln m)/dt = r`. Together the curves have the density `ρ_t` of the snapshots at their times, with
/// `∂_t ρ + ∇·(ρ v) = g ρ` for the means, by mass, of velocities and of rates. [`GrowthMatching`](crate::objective::GrowthMatching)
/// learns both.
///
/// The greater the penalty of the plan beside squared distances, the more is explained by motion; at a small one, part of what moves a little
/// dies and is born again nearby.
///
/// In each batch, each sample of either time is in at least one pair. A sample that the plan leaves out, as it is too far from all
/// others, is in none. Each piece has two points for each sample of a batch.
///
/// ```
/// use advect_core::Generator;
/// use advect_paths::{path::Affine, schedule::CondOt};
/// use advect_trajectories::Snapshots;
/// use advect_trajectories::path::{SnapshotPath, UnbalancedChain};
/// use advect_transport::Sinkhorn;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // One of two populations doubles in half a unit of time. Nothing moves.
/// let x = Tensor::new(&[[0f64], [9.0]], &Device::Cpu)?;
/// let snapshots = Snapshots::new(&[0.0, 0.5], &[x.clone(), x])?
///     .weighted(1, &[1.0, 2.0])?
///     .masses(&[2.0, 3.0])?;
/// let chain = UnbalancedChain::new(Sinkhorn::new(0.1)?.unbalanced(1.0)?, Affine::new(CondOt::default()), 500)?;
/// let points = chain.sample(&snapshots, &mut Generator::from_seed(0))?;
/// let places = points.x.squeeze(1)?.to_vec1::<f64>()?;
/// for (place, growth) in places.iter().zip(&points.growth) {
///     let expected = if *place < 4.5 { 0.0 } else { 2.0 * 2f64.ln() };
///     assert!((growth - expected).abs() < 0.3); // as draws go
/// }
/// # Ok(())
/// # }
/// ```
#[doc(alias = "UOT")]
#[doc(alias = "unbalanced optimal transport")]
#[doc(alias = "Wasserstein-Fisher-Rao")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnbalancedChain<P> {
    solver: Sinkhorn,
    path: P,
    batch: usize,
}

impl<P: Path> UnbalancedChain<P> {
    /// Creates a chain with a number of samples of each snapshot. The costs of the plans are squared Euclidean distances, and the unit
    /// of the solver's [penalty](Sinkhorn::unbalanced): a sample is carried rather than replaced up to a distance of about the penalty's
    /// root.
    ///
    /// # Errors
    /// [`Error::Range`] for a batch of 0, and for a solver of balanced plans, whose masses don't change.
    pub fn new(solver: Sinkhorn, path: P, batch: usize) -> Result<Self> {
        if !solver.is_unbalanced() {
            let accepted = "a solver of unbalanced plans, by Sinkhorn::unbalanced";
            return Err(Error::range("solver", "one of balanced plans", accepted));
        }
        Ok(UnbalancedChain {
            solver,
            path,
            batch: check::at_least_one("batch", batch)?,
        })
    }

    /// Curves between two snapshots, and points of them.
    fn piece(&self, from: &Snapshot, to: &Snapshot, rng: &mut Generator) -> Result<Piece> {
        let (x0, x1) = (from.draw(self.batch, rng)?, to.draw(self.batch, rng)?);
        let cost = Cost::squared_euclidean(&flat(&x0)?, &flat(&x1)?)?;
        let plan = self.solver.solve(&cost)?;
        let pairs = pairs(&plan, rng)?;
        if pairs.is_empty() {
            let given = format!("snapshots at {} and {}", from.time(), to.time());
            let accepted = "snapshots of which the plan carries something: a larger penalty";
            return Err(Error::range("snapshots", given, accepted));
        }
        let (of_rows, of_columns) = (plan.row_ratios(), plan.column_ratios());
        let span = to.time() - from.time();
        let parts = rng.values(&StandardUniform, pairs.len())?;
        let (mut masses, mut growth) = (Vec::new(), Vec::new());
        let mut end_masses = [Vec::new(), Vec::new()];
        let scale = pairs.len() as f64 / (2 * self.batch) as f64;
        for (&(i, j), s) in pairs.iter().zip(&parts) {
            let (row, column) = (of_rows[i], of_columns[j]);
            // A pair is drawn with the chance of π_ij/(row sum) and of π_ij/(column sum): half their sum for two draws a sample.
            let start = scale * from.mass() * 2.0 * column / (row + column);
            let end = scale * to.mass() * 2.0 * row / (row + column);
            masses.push(start.powf(1.0 - s) * end.powf(*s));
            end_masses[0].push(start);
            end_masses[1].push(end);
            growth.push((end / start).ln() / span);
        }
        let chosen = |x: &Tensor, places: Vec<u32>| -> Result<Tensor> {
            let count = places.len();
            let places = Tensor::from_vec(places, count, &Device::Cpu)?.to_device(x.device())?;
            Ok(x.index_select(&places, 0)?)
        };
        let sources = pairs.iter().map(|pair| pair.0 as u32).collect();
        let targets = pairs.iter().map(|pair| pair.1 as u32).collect();
        let (x0, x1) = (chosen(&x0, sources)?, chosen(&x1, targets)?);
        let point = (self.path).sample(&Time::per_sample(&parts)?, &x0, &x1, rng)?;
        let times = parts.iter().map(|s| from.time() + s * span).collect();
        let durations = vec![span / parts.len() as f64; parts.len()];
        let velocity = (point.velocity()? / span)?;
        let points = CurvePoints::new(times, point.x, velocity, durations);
        Ok(Piece {
            points: points.with_growth(masses, growth),
            pairs: [x0, x1],
            masses: end_masses,
        })
    }

    fn pieces(&self, snapshots: &Snapshots, rng: &mut Generator) -> Result<Vec<Piece>> {
        (1..snapshots.len())
            .map(|k| self.piece(snapshots.at(k - 1), snapshots.at(k), rng))
            .collect()
    }
}

/// Curves between two snapshots.
struct Piece {
    points: CurvePoints,
    /// The samples that the curves join, with their masses.
    pairs: [Tensor; 2],
    masses: [Vec<f64>; 2],
}

/// Samples as vectors.
fn flat(x: &Tensor) -> Result<Tensor> {
    Ok(x.flatten_from(1)?.contiguous()?)
}

/// For each row a column that is drawn by the plan, and for each column a row, but for those that carry nothing.
fn pairs(plan: &Plan, rng: &mut Generator) -> Result<Vec<(usize, usize)>> {
    let (rows, columns) = (plan.rows(), plan.columns());
    let uniform: Vec<f64> = rng.values(&StandardUniform, rows + columns)?;
    let mut pairs = Vec::with_capacity(rows + columns);
    for (i, u) in uniform[..rows].iter().enumerate() {
        pairs.extend(place(plan.row(i).iter().copied(), *u).map(|j| (i, j)));
    }
    for (j, u) in uniform[rows..].iter().enumerate() {
        let column = || plan.values().iter().skip(j).step_by(columns).copied();
        pairs.extend(place(column(), *u).map(|i| (i, j)));
    }
    Ok(pairs)
}

/// The place of a mass that is drawn by the part `u` of all of them; none if there is nothing.
fn place(masses: impl Iterator<Item = f64> + Clone, u: f64) -> Option<usize> {
    let mut rest = u * masses.clone().sum::<f64>();
    let mut last = None;
    for (place, mass) in masses.enumerate().filter(|(_, mass)| *mass > 0.0) {
        last = Some(place);
        rest -= mass;
        if rest < 0.0 {
            break;
        }
    }
    last
}

impl<P: Path> SnapshotPath for UnbalancedChain<P> {
    fn sample(&self, snapshots: &Snapshots, rng: &mut Generator) -> Result<CurvePoints> {
        let pieces = self.pieces(snapshots, rng)?;
        CurvePoints::joined(pieces.iter().map(|piece| &piece.points))
    }

    fn sample_with_ends(
        &self,
        snapshots: &Snapshots,
        rng: &mut Generator,
    ) -> Result<(CurvePoints, [CurveEnds; 2])> {
        let pieces = self.pieces(snapshots, rng)?;
        let points = CurvePoints::joined(pieces.iter().map(|piece| &piece.points))?;
        let mut end = |s: f64, k: usize, piece: &Piece| -> Result<CurveEnds> {
            let [x0, x1] = &piece.pairs;
            let x = self.path.sample(&s.into(), x0, x1, rng)?.x;
            Ok(CurveEnds::new(x, piece.masses[k].clone()))
        };
        let ends = [
            end(0.0, 0, &pieces[0])?,
            end(1.0, 1, &pieces[pieces.len() - 1])?,
        ];
        Ok((points, ends))
    }
}
