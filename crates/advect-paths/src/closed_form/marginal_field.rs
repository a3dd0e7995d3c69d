//! The exact marginal fields of a mixture of Gaussians on an affine path.

use std::sync::Arc;

use advect_core::{Error, Field, Generator, Jvp, Result, Time, check};
use candle_core::Tensor;
use rand_distr::{StandardNormal, StandardUniform};

use super::Components;
use super::posterior::{Found, Posterior};
use super::rows::{Rows, Values, directions, no_time};
use crate::Prediction;
use crate::prediction::unit;
use crate::schedule::Schedule;

/// The field that an ideal network would learn: the exact marginal prediction at (t, x). The methods of
/// [`Law`](super::Law) make it.
///
/// Values are computed in f64 on the host, without differences of large numbers, and are constants for automatic
/// differentiation. Derivatives along directions of the state ([`Jvp`]) and the divergence are exact too; there is none
/// along time.
///
/// At the ends it gives limits where they are finite. Where there is no noise and the data has no width, the score is
/// not defined, nor is what follows from it alone: [`Error::Range`].
#[derive(Debug, Clone)]
pub struct MarginalField<S> {
    components: Arc<Components>,
    schedule: S,
    prediction: Prediction,
}

/// The coefficients of score and denoiser, at one time.
#[derive(Clone, Copy)]
struct At {
    alpha: f64,
    sigma: f64,
    /// None where the score is not needed: it may be infinite.
    of_score: Option<f64>,
    of_data: f64,
}

impl At {
    fn mix(&self, score: f64, data: f64) -> f64 {
        self.of_score.map_or(0.0, |factor| factor * score) + self.of_data * data
    }
}

impl<S: Schedule> MarginalField<S> {
    pub(super) fn new(components: &Arc<Components>, schedule: S, prediction: Prediction) -> Self {
        MarginalField {
            components: Arc::clone(components),
            schedule,
            prediction,
        }
    }

    /// Returns the divergence `∇·f(t, x)` of the field, `(batch,)`.
    ///
    /// # Errors
    /// As [`Field::at`].
    pub fn divergence(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        self.each(t, x, 1, |posterior, at, x, out| {
            let found = posterior.at(at.alpha, at.sigma, x);
            let (score, data) = posterior.divergences((at.alpha, at.sigma), x, &found);
            out[0] = at.mix(score, data);
        })?
        .finish(t, x, &[x.dims()[0]])
    }

    /// Returns the log-density of the marginal, `log p_t(x)`, `(batch,)`.
    ///
    /// # Errors
    /// As [`Field::at`]; [`Error::Range`] where the density is 0 or infinite: without noise, at data without width.
    pub fn log_density(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        self.each(t, x, 1, |posterior, at, x, out| {
            out[0] = posterior.shares(at.alpha, at.sigma, x);
        })?
        .finish(t, x, &[x.dims()[0]])
    }

    /// Draws the data x1 given the state x at time t. With `x0 = (x − α x1)/σ`, it is one of the pairs from which the
    /// state may come.
    ///
    /// # Errors
    /// As [`Field::at`].
    pub fn sample_data(&self, t: &Time, x: &Tensor, rng: &mut Generator) -> Result<Tensor> {
        let d = self.components.dim();
        let batch = check::batch("x", x)?;
        let uniform = rng.values(&StandardUniform, batch)?;
        let mut draws = rng.values(&StandardNormal, batch.saturating_mul(d))?;
        let (points, at) = self.prepare(t, x)?;
        let mut posterior = Posterior::new(&self.components);
        for (i, draw) in draws.chunks_exact_mut(d).enumerate() {
            let At { alpha, sigma, .. } = at[i.min(at.len() - 1)];
            posterior.draw((alpha, sigma), points.row(i), uniform[i], draw);
        }
        Values(draws).finish(t, x, x.dims())
    }

    /// The points as rows, and the coefficients at one time or each.
    fn prepare(&self, t: &Time, x: &Tensor) -> Result<(Rows, Vec<At>)> {
        let rows = Rows::new(t, x, self.components.dim())?;
        let at: Result<Vec<At>> = t.values()?.into_iter().map(|t| self.at_time(t)).collect();
        Ok((rows, at?))
    }

    fn at_time(&self, t: f64) -> Result<At> {
        let t = unit(t)?;
        let s = &self.schedule;
        let (alpha, sigma) = (s.alpha(t), s.sigma(t));
        let (of_score, of_data) = match self.prediction {
            // σ' x0 = −σ σ' s, which may be finite where σ' is not.
            Prediction::Velocity => (Some(-s.sigma_d_sigma(t)), s.d_alpha(t)),
            Prediction::Score => (Some(1.0), 0.0),
            Prediction::Noise => (Some(-sigma), 0.0),
            Prediction::Data => (None, 1.0),
            Prediction::V => (Some(-alpha * sigma), -sigma),
        };
        if !(of_score.is_none_or(f64::is_finite) && of_data.is_finite()) {
            let accepted = "a time at which the schedule's derivatives are finite";
            return Err(Error::range("t", t, accepted));
        }
        Ok(At {
            alpha,
            sigma,
            of_score,
            of_data,
        })
    }

    /// Calls `f` on each sample, to fill `width` numbers.
    fn each(
        &self,
        t: &Time,
        x: &Tensor,
        width: usize,
        f: impl Fn(&mut Posterior<'_>, At, &[f64], &mut [f64]) + Sync,
    ) -> Result<Values> {
        let (rows, at) = self.prepare(t, x)?;
        let components = &*self.components;
        let time = components.count() * (components.dim() + 8);
        let worker = || Posterior::new(components);
        Ok(rows.map((width, time), worker, |posterior, i, x, out| {
            f(posterior, at[i.min(at.len() - 1)], x, out);
        }))
    }

    fn mix(at: At, found: &Found, out: &mut [f64]) {
        for ((out, score), data) in out.iter_mut().zip(&found.score).zip(&found.data) {
            *out = at.mix(*score, *data);
        }
    }
}

impl<S: Schedule> Field for MarginalField<S> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        self.each(t, x, self.components.dim(), |posterior, at, x, out| {
            Self::mix(at, &posterior.at(at.alpha, at.sigma, x), out);
        })?
        .finish(t, x, x.dims())
    }
}

impl<S: Schedule> Jvp for MarginalField<S> {
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        no_time(dt)?;
        let (value, mut along) = self.jvp_each(t, x, std::slice::from_ref(dx))?;
        Ok((value, along.remove(0)))
    }

    fn jvp_each(&self, t: &Time, x: &Tensor, dx: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)> {
        let directions = directions(dx, x)?;
        let (rows, at) = self.prepare(t, x)?;
        let components = &*self.components;
        let (d, count) = (components.dim(), 1 + dx.len());
        let time = components.count() * (d + 8) * count;
        let worker = || Posterior::new(components);
        let values = rows.map((d * count, time), worker, |posterior, i, x, out| {
            let at = at[i.min(at.len() - 1)];
            let found = posterior.at(at.alpha, at.sigma, x);
            let (value, slopes) = out.split_at_mut(d);
            Self::mix(at, &found, value);
            for (slope, dx) in slopes.chunks_exact_mut(d).zip(&directions) {
                let dx = &dx[i * d..(i + 1) * d];
                let (score, data) = posterior.along((at.alpha, at.sigma), x, dx, &found);
                for ((out, score), data) in slope.iter_mut().zip(score).zip(data) {
                    *out = at.mix(score, data);
                }
            }
        });
        let mut parts = values.parts(t, x, count)?;
        let slopes = parts.split_off(1);
        Ok((parts.remove(0), slopes))
    }
}
