//! Curves through samples of the snapshots, on whose points fields are trained.
//!
//! | path | curves |
//! | --- | --- |
//! | [`Chain`] | pairs of samples of neighbouring times, joined by any [`Path`](advect_paths::path::Path), each piece by itself |
//! | [`Spline`] | one sample of each time, linked from pair to pair, joined by an [`Interpolation`] |

mod chain;
mod interpolation;
mod spline;

use advect_core::{Generator, Result, Time, forward_to};
use candle_core::Tensor;

use crate::Snapshots;

pub use chain::Chain;
pub use interpolation::{Hermite, Interpolation, NaturalCubic, PiecewiseLinear};
pub use spline::Spline;

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
    /// from the first time to the last.
    pub durations: Vec<f64>,
}

impl CurvePoints {
    /// Creates points from their parts, for a path of one's own.
    pub fn new(times: Vec<f64>, x: Tensor, velocity: Tensor, durations: Vec<f64>) -> Self {
        CurvePoints {
            times,
            x,
            velocity,
            durations,
        }
    }

    /// Returns the times as one for each sample.
    ///
    /// # Errors
    /// As [`Time::per_sample`].
    pub fn time(&self) -> Result<Time> {
        Time::per_sample(&self.times)
    }
}

/// A law of curves through the snapshots, whose law at each snapshot's time is that of its samples.
pub trait SnapshotPath {
    /// Draws points of curves, at random times.
    ///
    /// # Errors
    /// Typed errors for snapshots that don't fit; the errors of couplings and paths.
    fn sample(&self, snapshots: &Snapshots, rng: &mut Generator) -> Result<CurvePoints>;
}

forward_to!([] SnapshotPath {
    fn sample(&self, snapshots: &Snapshots, rng: &mut Generator) -> Result<CurvePoints>;
});
