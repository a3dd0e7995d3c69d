//! The drift of a Schrödinger bridge between Gaussians.

use advect_core::{Error, Field, Jvp, Result, Time, check};
use candle_core::Tensor;

use super::Covariance;
use super::rows::Values;
use crate::Direction;
use crate::prediction::unit;

/// The drift `b = δ + G (x − μ_t)` with `δ = m1 − m0` and `μ_t = m0 + t δ`. In the axes of Q, with the time r that
/// remains, `G = ± (q − 1)/(r + (1 − r) q)`. In both directions `dG/dt = −G²`.
#[derive(Debug)]
pub(super) struct LinearDrift {
    q: Covariance,
    m0: Vec<f64>,
    delta: Vec<f64>,
    direction: Direction,
}

impl LinearDrift {
    pub(super) fn new(q: Covariance, m0: &[f64], m1: &[f64], direction: Direction) -> Self {
        LinearDrift {
            q,
            m0: m0.to_vec(),
            delta: m1.iter().zip(m0).map(|(m1, m0)| m1 - m0).collect(),
            direction,
        }
    }

    /// G along the axes, at each time.
    fn gains(&self, t: &Time) -> Result<Vec<Vec<f64>>> {
        let gains = |t: f64| {
            let remaining = self.direction.remaining(unit(t)?);
            let gain = |i: usize| {
                let q = self.q.variance(i);
                self.direction.sign() * (q - 1.0) / (remaining + (1.0 - remaining) * q)
            };
            let gains: Vec<f64> = (0..self.m0.len()).map(gain).collect();
            match gains.iter().all(|g| g.is_finite()) {
                true => Ok(gains),
                false => Err(Error::range("t", t, "a time at which the law has a width")),
            }
        };
        t.values()?.into_iter().map(gains).collect()
    }
}

impl Field for LinearDrift {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        Ok(self.jvp(t, x, 0.0, &x.zeros_like()?)?.0)
    }
}

impl Jvp for LinearDrift {
    /// For x and dx in f64 on the host.
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        let d = self.m0.len();
        let batch = check::batch("x", x)?;
        check::finite("x", x)?;
        if x.elem_count() != batch * d {
            let accepted = format!("(batch, {d}), or another shape of samples of {d} elements");
            return Err(Error::shape("x", x.dims(), accepted));
        }
        t.fits(batch)?;
        let (times, gains) = (t.values()?, self.gains(t)?);
        let (mut value, mut along) = (
            x.flatten_all()?.to_vec1::<f64>()?,
            dx.flatten_all()?.to_vec1::<f64>()?,
        );
        let mut scratch = vec![0.0; d];
        let mut delta = self.delta.clone();
        self.q.turn(&mut delta, &mut scratch);
        let samples = value.chunks_exact_mut(d).zip(along.chunks_exact_mut(d));
        for (i, (x, dx)) in samples.enumerate() {
            // One time for all stands at every index.
            let (t, gains) = (
                times[i.min(times.len() - 1)],
                &gains[i.min(gains.len() - 1)],
            );
            for ((x, m), slope) in x.iter_mut().zip(&self.m0).zip(&self.delta) {
                *x -= m + t * slope;
            }
            self.q.turn(x, &mut scratch);
            self.q.turn(dx, &mut scratch);
            for (((x, dx), g), delta) in x.iter_mut().zip(dx.iter_mut()).zip(gains).zip(&delta) {
                let (b, db) = (g * *x, g * *dx - dt * g * (g * *x + delta));
                (*x, *dx) = (b + delta, db);
            }
            self.q.turn_back(x, &mut scratch);
            self.q.turn_back(dx, &mut scratch);
        }
        let value = Values(value).finish(t, x, x.dims())?;
        Ok((value, Values(along).finish(t, x, x.dims())?))
    }
}
