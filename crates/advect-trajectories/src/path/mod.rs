//! Curves through samples of the snapshots, as training data for fields.
//!
//! | path | curves |
//! | --- | --- |
//! | [`Chain`] | pairs of samples of neighbouring times, joined by any [`Path`](advect_paths::path::Path), each piece by itself |
//! | [`UnbalancedChain`] | the same with masses that change on the way, from plans of unbalanced transport |
//! | [`Spline`] | one sample of each time, linked from pair to pair, joined by an [`Interpolation`] |

mod chain;
mod interpolation;
mod spline;
mod unbalanced_chain;

use advect_core::{Generator, Result, Time, forward_to};
use candle_core::Tensor;

use crate::Snapshots;

pub use chain::Chain;
pub use interpolation::{Hermite, Interpolation, NaturalCubic, PiecewiseLinear};
pub use spline::Spline;
pub use unbalanced_chain::UnbalancedChain;

/// Points of curves through the snapshots.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CurvePoints {
    /// The times, in the unit of those of the snapshots.
    pub times: Vec<f64>,
    /// The states, `(points, ...)`.
    pub x: Tensor,
    /// The velocities there, shaped like the states.
    pub velocity: Tensor,
    /// The stretch of time that each point stands for: `Σ durations · f(t, x)` is an estimate of `∫ E f(t, x_t) dt`
    /// from the first time to the last, with a factor of the masses where they differ.
    pub durations: Vec<f64>,
    /// The mass of the population at the time of each point, as estimated from that point: on average 1, or the given mass.
    pub masses: Vec<f64>,
    /// The rates `d(ln m)/dt` at which the masses of the curves change, 0 where they don't.
    pub growth: Vec<f64>,
}

impl CurvePoints {
    /// Creates points of equal masses from their parts, for your own paths.
    pub fn new(times: Vec<f64>, x: Tensor, velocity: Tensor, durations: Vec<f64>) -> Self {
        let points = times.len();
        CurvePoints {
            times,
            x,
            velocity,
            durations,
            masses: vec![1.0; points],
            growth: vec![0.0; points],
        }
    }

    /// Sets masses, and the rates at which they change.
    pub fn with_growth(self, masses: Vec<f64>, growth: Vec<f64>) -> Self {
        CurvePoints {
            masses,
            growth,
            ..self
        }
    }

    /// Each point's mass by the mean of all, its share in an average over the population.
    pub(crate) fn shares(&self) -> Vec<f64> {
        let mean = self.masses.iter().sum::<f64>() / self.masses.len() as f64;
        self.masses.iter().map(|mass| mass / mean).collect()
    }

    /// Whether masses change along the curves.
    pub(crate) fn grow(&self) -> bool {
        self.growth.iter().any(|rate| *rate != 0.0)
    }

    /// Joins points, such as those of several pieces of time.
    ///
    /// # Errors
    /// Errors of candle for states of different kinds, and for no points.
    pub fn joined<'a>(pieces: impl IntoIterator<Item = &'a CurvePoints>) -> Result<Self> {
        let pieces: Vec<&CurvePoints> = pieces.into_iter().collect();
        let numbers = |of: fn(&CurvePoints) -> &Vec<f64>| {
            pieces.iter().flat_map(|p| of(p)).copied().collect()
        };
        let tensors = |of: fn(&CurvePoints) -> &Tensor| {
            let parts: Vec<&Tensor> = pieces.iter().map(|p| of(p)).collect();
            Tensor::cat(&parts, 0)
        };
        Ok(CurvePoints {
            times: numbers(|p| &p.times),
            x: tensors(|p| &p.x)?,
            velocity: tensors(|p| &p.velocity)?,
            durations: numbers(|p| &p.durations),
            masses: numbers(|p| &p.masses),
            growth: numbers(|p| &p.growth),
        })
    }

    /// Returns the times as one for each sample.
    ///
    /// # Errors
    /// As [`Time::per_sample`].
    pub fn time(&self) -> Result<Time> {
        Time::per_sample(&self.times)
    }
}

/// States of curves at one time, the first or the last.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CurveEnds {
    /// The states, `(curves, ...)`.
    pub x: Tensor,
    /// The mass of the population there, as estimated from each curve: on average 1, or the given mass.
    pub masses: Vec<f64>,
}

impl CurveEnds {
    /// Creates states with their masses.
    pub fn new(x: Tensor, masses: Vec<f64>) -> Self {
        CurveEnds { x, masses }
    }
}

/// A law of curves through the snapshots. Its law at each snapshot's time is that of the samples, by the curves' masses where these differ;
/// a path with noise there adds it to them.
pub trait SnapshotPath {
    /// Draws points of curves, at random times.
    ///
    /// # Errors
    /// Typed errors for snapshots that don't fit; the errors of couplings and paths.
    fn sample(&self, snapshots: &Snapshots, rng: &mut Generator) -> Result<CurvePoints>;

    /// Draws points of curves, and the states of curves at the first and at the last time. By default these are samples of the snapshots:
    /// right for curves that keep their masses and end in the samples.
    ///
    /// # Errors
    /// As [`SnapshotPath::sample`].
    fn sample_with_ends(
        &self,
        snapshots: &Snapshots,
        rng: &mut Generator,
    ) -> Result<(CurvePoints, [CurveEnds; 2])> {
        let points = self.sample(snapshots, rng)?;
        let count = points.times.len();
        let mut end = |k: usize| -> Result<CurveEnds> {
            let snapshot = snapshots.at(k);
            let masses = vec![if points.grow() { snapshot.mass() } else { 1.0 }; count];
            Ok(CurveEnds::new(snapshot.draw(count, rng)?, masses))
        };
        let ends = [end(0)?, end(snapshots.len() - 1)?];
        Ok((points, ends))
    }
}

forward_to!([] SnapshotPath {
    fn sample(&self, snapshots: &Snapshots, rng: &mut Generator) -> Result<CurvePoints>;
    fn sample_with_ends(
        &self,
        snapshots: &Snapshots,
        rng: &mut Generator,
    ) -> Result<(CurvePoints, [CurveEnds; 2])>;
});
