//! Simulation-free score and flow matching, [SF]²M (Tong et al. 2024b, eq. 10 and 23).

use advect_core::{Coefficient, Error, Field, Generator, Result, Time, check};
use advect_ops::combine;
use advect_paths::path::Path;
use candle_core::Tensor;

use super::{check_pairs, check_times};
use crate::distance::{Distance, SquaredError};
use crate::time_sampler::{TimeSampler, Uniform};

/// The regression of a velocity and a score on one path, learned together: `(|v − u_t|² + |γ s + z|²) / d`, where
/// `γ z` is the path's noise.
///
/// The second term is `λ² |½σ² s + ½σ² z/γ|²` with the paper's `λ = 2γ/σ²`: the network of the paper predicts `½σ² s`, this
/// one the score itself. On a [`SchrodingerBridge`](advect_paths::path::SchrodingerBridge), with pairs drawn from the
/// entropic plan ([`EntropicOt::with_replacement`](advect_paths::coupling::EntropicOt::with_replacement)) of batches that are
/// large, the two make the drift `v + ½ σ² s` of the Schrödinger bridge. A bridge's velocity is infinite at both ends, and
/// its expected loss, too, unless times stay away from them.
///
/// ```
/// use advect_core::{Generator, Time, field_fn};
/// use advect_objectives::objective::ScoreAndFlow;
/// use advect_objectives::time_sampler::UniformWithin;
/// use advect_paths::coupling::{Coupling, EntropicOt};
/// use advect_paths::path::SchrodingerBridge;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let mut rng = Generator::from_seed(0);
/// let x0 = rng.normal((64, 2), DType::F32, &Device::Cpu)?;
/// let x1 = rng.normal((64, 2), DType::F32, &Device::Cpu)?;
/// let field = field_fn(|_, x| Ok(x.zeros_like()?));
/// let bridge = SchrodingerBridge::new(1.0)?;
/// let pairs = EntropicOt::new(bridge.entropy())?.with_replacement().pair(&x0, &x1, &mut rng)?;
/// let (x0, x1) = (pairs.source(&x0)?, pairs.target(&x1)?);
/// let objective = ScoreAndFlow::new(bridge).times(UniformWithin::new(1e-3, 1.0 - 1e-3)?);
/// let losses = objective.losses(&field, &field, &x0, &x1, &mut rng)?;
/// assert_eq!((losses.flow.dims(), losses.score.dims()), (&[64][..], &[64][..]));
/// let loss = losses.total()?; // to call backward on
/// # let _ = loss;
/// # Ok(())
/// # }
/// ```
#[doc(alias = "[SF]²M")]
#[doc(alias = "SF2M")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoreAndFlow<P, T = Uniform> {
    path: P,
    times: T,
}

/// The losses of [`ScoreAndFlow`]: one for each sample and field, `(batch,)`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ScoreAndFlowLosses {
    /// The losses of the velocity.
    pub flow: Tensor,
    /// The losses of the score.
    pub score: Tensor,
}

impl ScoreAndFlowLosses {
    /// Returns the mean of the sum of both losses.
    ///
    /// # Errors
    /// The errors of candle.
    pub fn total(&self) -> Result<Tensor> {
        Ok((&self.flow + &self.score)?.mean_all()?)
    }
}

impl<P: Path> ScoreAndFlow<P> {
    /// Creates the objective on a path with noise, with uniform times.
    pub fn new(path: P) -> Self {
        ScoreAndFlow {
            path,
            times: Uniform,
        }
    }
}

impl<P: Path, T: TimeSampler> ScoreAndFlow<P, T> {
    /// Sets the law of times.
    pub fn times<U: TimeSampler>(self, times: U) -> ScoreAndFlow<P, U> {
        ScoreAndFlow {
            path: self.path,
            times,
        }
    }

    /// Returns the losses of a velocity and a score on pairs.
    ///
    /// # Errors
    /// As [`Objective::losses`](super::Objective::losses); [`Error::Range`] at times where the path has no noise, or its
    /// velocity is infinite.
    pub fn losses(
        &self,
        velocity: &dyn Field,
        score: &dyn Field,
        x0: &Tensor,
        x1: &Tensor,
        rng: &mut Generator,
    ) -> Result<ScoreAndFlowLosses> {
        let batch = check_pairs(x0, x1)?;
        let times = self.times.sample(batch, rng)?;
        check_times(&times, batch)?;
        let t = Time::per_sample(&times)?;
        let point = self.path.sample(&t, x0, x1, rng)?;
        let (u, z, scale) = (point.velocity()?, point.noise()?, point.noise_scale()?);
        let zero = match &scale {
            Coefficient::PerSample(scales) => scales.iter().position(|s| *s == 0.0),
            Coefficient::Shared(shared) => (*shared == 0.0).then_some(0),
        };
        if let Some(i) = zero {
            let accepted = "a time at which the path has noise";
            return Err(Error::range("t", times[i], accepted));
        }
        let v = velocity.at(&t, &point.x)?;
        let s = score.at(&t, &point.x)?;
        check::alike("velocity", &v, "x0", x0)?;
        check::alike("score", &s, "x0", x0)?;
        Ok(ScoreAndFlowLosses {
            flow: SquaredError.losses(&v, &u)?,
            score: SquaredError.losses(&combine(&[(scale, &s)])?, &z.neg()?)?,
        })
    }
}
