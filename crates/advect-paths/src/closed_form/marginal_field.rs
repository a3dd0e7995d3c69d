//! The exact marginal fields of a mixture of Gaussians on an affine path.

use std::sync::Arc;

use advect_core::{Error, Field, Generator, Jvp, Result, Time, check, parallel};
use candle_core::{DType, Device, Tensor};
use rand_distr::{StandardNormal, StandardUniform};

use super::Components;
use super::posterior::{Found, Posterior};
use crate::Prediction;
use crate::prediction::unit;
use crate::schedule::Schedule;

/// The field that the best network would learn: the exact marginal prediction at (t, x). The methods of
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
        .finish(x, &[x.dims()[0]])
    }

    /// Returns the log-density of the marginal, `log p_t(x)`, `(batch,)`.
    ///
    /// # Errors
    /// As [`Field::at`]; [`Error::Range`] where the density is 0 or infinite: without noise, at data without width.
    pub fn log_density(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        self.each(t, x, 1, |posterior, at, x, out| {
            out[0] = posterior.at(at.alpha, at.sigma, x).log_density;
        })?
        .finish(x, &[x.dims()[0]])
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
        let mut rows = rng.values(&StandardNormal, batch.saturating_mul(d))?;
        let (points, at) = self.prepare(t, x)?;
        let mut posterior = Posterior::new(&self.components);
        for (i, draw) in rows.chunks_exact_mut(d).enumerate() {
            let At { alpha, sigma, .. } = at[i.min(at.len() - 1)];
            posterior.draw(
                (alpha, sigma),
                &points[i * d..(i + 1) * d],
                uniform[i],
                draw,
            );
        }
        Values(rows).finish(x, x.dims())
    }

    /// The points as rows, and the coefficients at one time or each.
    fn prepare(&self, t: &Time, x: &Tensor) -> Result<(Vec<f64>, Vec<At>)> {
        let batch = check::batch("x", x)?;
        check::float("x", x)?;
        check::finite("x", x)?;
        let d = self.components.dim();
        if x.elem_count() != batch * d {
            let accepted = format!("(batch, {d}), or another shape of samples of {d} elements");
            return Err(Error::shape("x", x.dims(), accepted));
        }
        t.fits(batch)?;
        let at: Result<Vec<At>> = t.values()?.into_iter().map(|t| self.at_time(t)).collect();
        let rows = x.detach().flatten_all()?.to_device(&Device::Cpu)?;
        Ok((rows.to_dtype(DType::F64)?.to_vec1()?, at?))
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
        let (points, at) = self.prepare(t, x)?;
        let d = self.components.dim();
        let batch = points.len() / d;
        let mut out = vec![0.0; batch * width];
        let time = batch * self.components.count() * (d + 8);
        let components = &*self.components;
        let piece = parallel::piece(batch, 1, time);
        let tasks = (out.chunks_mut(piece * width).enumerate()).collect();
        parallel::each(tasks, time, |(task, out): (usize, &mut [f64])| {
            let mut posterior = Posterior::new(components);
            for (i, out) in out.chunks_exact_mut(width).enumerate() {
                let i = task * piece + i;
                let at = at[i.min(at.len() - 1)];
                f(&mut posterior, at, &points[i * d..(i + 1) * d], out);
            }
        });
        Ok(Values(out))
    }

    fn mix(at: At, found: &Found, out: &mut [f64]) {
        for ((out, score), data) in out.iter_mut().zip(&found.score).zip(&found.data) {
            *out = at.mix(*score, *data);
        }
    }
}

/// Numbers for each sample, on the host.
pub(super) struct Values(pub(super) Vec<f64>);

impl Values {
    /// As a tensor like `x`.
    pub(super) fn finish(self, x: &Tensor, dims: &[usize]) -> Result<Tensor> {
        let values = Tensor::from_vec(self.0, dims, &Device::Cpu)?.to_dtype(x.dtype())?;
        // Without noise at data without width, or beyond what 16 bits hold.
        if !check::is_finite(&values)? {
            let given = format!("a time at which a value is infinite in {:?}", x.dtype());
            let accepted = "a time at which all values are finite";
            return Err(Error::range("t", given, accepted));
        }
        Ok(values.to_device(x.device())?)
    }
}

impl<S: Schedule> Field for MarginalField<S> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        self.each(t, x, self.components.dim(), |posterior, at, x, out| {
            Self::mix(at, &posterior.at(at.alpha, at.sigma, x), out);
        })?
        .finish(x, x.dims())
    }
}

impl<S: Schedule> Jvp for MarginalField<S> {
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        if dt != 0.0 {
            let accepted = "0, because derivatives of this field are along its state";
            return Err(Error::range("dt", dt, accepted));
        }
        let (value, mut along) = self.jvp_each(t, x, std::slice::from_ref(dx))?;
        Ok((value, along.remove(0)))
    }

    fn jvp_each(&self, t: &Time, x: &Tensor, dx: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)> {
        let d = self.components.dim();
        let (batch, mut directions) = (check::batch("x", x)?, Vec::with_capacity(dx.len()));
        for dx in dx {
            check::alike("dx", dx, "x", x)?;
            check::finite("dx", dx)?;
            let rows = dx.detach().flatten_all()?.to_device(&Device::Cpu)?;
            directions.push(rows.to_dtype(DType::F64)?.to_vec1::<f64>()?);
        }
        // Each sample's number, so that its directions are found.
        let (points, at) = self.prepare(t, x)?;
        let width = d * (1 + dx.len());
        let mut out = vec![0.0; batch * width];
        let time = batch * self.components.count() * (d + 8) * (1 + dx.len());
        let components = &*self.components;
        let piece = parallel::piece(batch, 1, time);
        let tasks = out.chunks_mut(piece * width).enumerate().collect();
        parallel::each(tasks, time, |(task, out): (usize, &mut [f64])| {
            let mut posterior = Posterior::new(components);
            for (i, out) in out.chunks_exact_mut(width).enumerate() {
                let i = task * piece + i;
                let (at, range) = (at[i.min(at.len() - 1)], i * d..(i + 1) * d);
                let x = &points[range.clone()];
                let found = posterior.at(at.alpha, at.sigma, x);
                let (value, slopes) = out.split_at_mut(d);
                Self::mix(at, &found, value);
                for (slope, dx) in slopes.chunks_exact_mut(d).zip(&directions) {
                    let dx = &dx[range.clone()];
                    let (score, data) = posterior.along((at.alpha, at.sigma), x, dx, &found);
                    for ((out, score), data) in slope.iter_mut().zip(score).zip(data) {
                        *out = at.mix(score, data);
                    }
                }
            }
        });
        let part = |k: usize| -> Result<Tensor> {
            let rows = out.chunks_exact(width);
            let part = rows.flat_map(|row| row[k * d..(k + 1) * d].iter().copied());
            Values(part.collect()).finish(x, x.dims())
        };
        let slopes: Result<Vec<Tensor>> = (1..=dx.len()).map(part).collect();
        Ok((part(0)?, slopes?))
    }
}
