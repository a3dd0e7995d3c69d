//! A population that branches, whose velocity is known.

use advect::prelude::*;
use advect::trajectories::{Snapshot, Snapshots};

/// Cells that move to the right at the speed of 1, and away from the middle: `x' = (1, y (1 − y²))`, from
/// `N((0, 0), 0.2² I)`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Branching;

impl Field for Branching {
    fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
        let y = x.narrow(1, 1, 1)?;
        let away = (&y - y.powf(3.0)?)?;
        Ok(Tensor::cat(&[&away.ones_like()?, &away], 1)?)
    }
}

impl Branching {
    /// Fresh cells at each time.
    pub(crate) fn snapshots(
        self,
        count: usize,
        times: &[f64],
        rng: &mut Generator,
    ) -> Result<Snapshots> {
        let solver = Solver::new(Rk4, Fixed::steps(60)?);
        let at = |time: &f64| -> Result<Tensor> {
            let start = (rng.normal((count, 2), DType::F32, &Device::Cpu)? * 0.2)?;
            match *time == 0.0 {
                true => Ok(start),
                false => solver.solve(&self, &start, 0.0, *time)?.end(),
            }
        };
        let samples: Vec<Tensor> = times.iter().map(at).collect::<Result<_>>()?;
        Snapshots::new(times, &samples)
    }

    /// The root mean square of a velocity's error at the cells of a snapshot, over that of the velocity.
    pub(crate) fn velocity_error(self, velocity: &dyn Field, seen: &Snapshot) -> Result<f64> {
        let (t, x) = (Time::Shared(seen.time()), seen.samples());
        let truth = self.at(&t, x)?;
        Ok(size(&(velocity.at(&t, x)? - &truth)?.detach())? / size(&truth)?)
    }

    /// The root mean square distance of cells that were carried from a snapshot to a time from their places on the true way, over that
    /// of the true way's ends.
    pub(crate) fn places_error(self, carried: &Tensor, from: &Snapshot, time: f64) -> Result<f64> {
        let solver = Solver::new(Rk4, Fixed::steps(60)?);
        let start = from.samples();
        let truth = solver.solve(&self, start, from.time(), time)?.end()?;
        Ok(size(&(carried - &truth)?)? / size(&(truth - start)?)?)
    }
}

/// The root mean square.
fn size(x: &Tensor) -> Result<f64> {
    let square = x.sqr()?.mean_all()?.to_dtype(DType::F64)?;
    Ok(square.to_scalar::<f64>()?.sqrt())
}
