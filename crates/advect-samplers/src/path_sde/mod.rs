//! The SDEs whose marginals are those of a path (Albergo, Boffi and Vanden-Eijnden, Stochastic interpolants, 2023; Song et al. 2021a,
//! eq. 6, and Ma et al., SiT, 2024, for affine paths).

mod path_drift;
mod sde_method;

use advect_core::{Error, Generator, Result, Time, check, field_fn};
use advect_ops::combine;
use advect_paths::schedule::Schedule;
use advect_solvers::Interval;
use advect_solvers::sde::{Additive, BrownianPath};
use candle_core::Tensor;

use crate::diffusion::{DiffusionCoefficient, ForwardDiffusion};
use crate::grid::check_steps;
use crate::{Level, Run, ScoredVelocity, Transition};

pub use path_drift::PathDrift;
pub use sde_method::SdeMethod;

/// The SDEs with the marginals of a path, for any w(t): forwards `dx = [u + ½ w² s] dt + w dW`, backwards `dx = [u − ½ w² s] dt + w dW̄`,
/// with the velocity u and the score s of a [`ScoredVelocity`].
///
/// Started with a state of the path at any time, it has the path's law at every other time that it reaches, whichever w is chosen;
/// w = 0 is the ODE. [`NoiseLevel`](crate::diffusion::NoiseLevel), `w² = c σ` (`c γ` on an interpolant), keeps all terms finite:
/// `½ w² s = −½ c η`.
///
/// At a time at which the state has no noise, γ = 0, as at both ends of most interpolants, the score may be infinite. As the law is the same
/// for every w, a step that begins or ends there is one without noise and without score, of the ODE by the same method.
///
/// ```
/// use advect_core::Generator;
/// use advect_paths::Prediction;
/// use advect_paths::closed_form::{Covariance, Gaussian, Law};
/// use advect_paths::schedule::CondOt;
/// use advect_samplers::diffusion::diffusion_fn;
/// use advect_samplers::{Model, PathSde, SdeMethod};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let law = Gaussian::new(&Tensor::new(&[2f64], &Device::Cpu)?, Covariance::isotropic(0.25)?)?;
/// let schedule = CondOt::default();
/// let model = Model::new(law.velocity(schedule), Prediction::Velocity, schedule);
/// let mut rng = Generator::from_seed(0);
/// let data = law.sample(2000, DType::F64, &Device::Cpu, &mut rng)?;
/// // Back from data to the middle of the path, N(1, 1/16 + 1/4).
/// let sde = PathSde::new(diffusion_fn(|t| 1.0 - t)).method(SdeMethod::Sra1);
/// let x = sde.sample(&model, &data, &[1.0, 0.9, 0.8, 0.7, 0.6, 0.5], &mut rng)?;
/// let variance = (x - 1.0)?.sqr()?.mean_all()?.to_scalar::<f64>()?;
/// assert!((variance - 0.3125).abs() < 0.03);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "stochastic interpolant")]
#[doc(alias = "score SDE")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PathSde<W = ForwardDiffusion> {
    diffusion: W,
    method: SdeMethod,
}

impl<W: DiffusionCoefficient> PathSde<W> {
    /// Creates the SDE with a diffusion coefficient and Euler and Maruyama's method.
    pub fn new(diffusion: W) -> Self {
        PathSde {
            diffusion,
            method: SdeMethod::default(),
        }
    }

    /// Sets the method.
    pub fn method(self, method: SdeMethod) -> Self {
        PathSde { method, ..self }
    }

    /// Carries a state of the path from the first of some times to the last, by a step from each to the next, with the
    /// generator's next noise.
    ///
    /// # Errors
    /// As [`PathSde::transport`].
    pub fn sample<M: ScoredVelocity + ?Sized>(
        &self,
        model: &M,
        x: &Tensor,
        times: &[f64],
        rng: &mut Generator,
    ) -> Result<Tensor> {
        self.transport(&mut Run::of(model, rng.split()), x, times)
    }

    /// Carries a state `(batch, ...)` of the path from the first of some times to the last, by a step from each to the next. The times
    /// rise or fall within \[0, 1\]. The run gives noise to each sample by its number, and shows each time to its observer.
    ///
    /// # Errors
    /// [`Error::Range`] that names `times`, or `diffusion` and t where w² is negative or infinite; typed errors for a state that is empty, no
    /// float or not finite; the errors of the model; [`Error::Stopped`] where a state becomes NaN or infinite.
    pub fn transport<M: ScoredVelocity + ?Sized>(
        &self,
        run: &mut Run<'_, M>,
        x: &Tensor,
        times: &[f64],
    ) -> Result<Tensor> {
        check_times(times)?;
        let schedule = run.model().schedule();
        let levels: Vec<Level> = times.iter().map(|t| Level::at(schedule, *t)).collect();
        run.along(&levels, x, |run, transition, x| {
            self.step(run, transition, x)
        })
    }

    /// Makes a step along a transition in either direction.
    pub(crate) fn step<M: ScoredVelocity + ?Sized>(
        &self,
        run: &mut Run<'_, M>,
        transition: &Transition,
        x: &Tensor,
    ) -> Result<Tensor> {
        let (start, end) = (transition.from.time, transition.to.time);
        let model = run.model();
        let flows = transition.from.is_clean() || transition.to.is_clean();
        let squared = |t: f64| match flows {
            true => Ok(0.0),
            false => squared(&self.diffusion, model.schedule(), t),
        };
        let side = side(start, end);
        if run.is_quiet() {
            let drift = run.drift(start, x, side * squared(start)?)?;
            return combine(&[(1.0.into(), x), ((end - start).into(), &drift)]);
        }
        // Where the noise is asked; the drift checks the rest.
        squared(start)?;
        if self.method != SdeMethod::EulerMaruyama {
            squared(end)?;
        }
        let (key, first) = run.noise_key();
        let path = BrownianPath::new(key, x, start, end)?.by_sample(first);
        let run = &*run;
        let drift = field_fn(|t, x| {
            let t = shared(t)?;
            run.drift(t, x, side * squared(t)?)
        });
        let noise = Additive(|t: f64| squared(t).map_or(f64::NAN, f64::sqrt));
        let interval = Interval::Shared { start, end };
        Ok((self.method.step(&drift, noise, path, &interval, x)?).x)
    }

    /// Returns the drift from early times to late ones as a field, `u + ½ w² s`, for your own integrations. See
    /// [`PathDrift`].
    pub fn forwards<M: ScoredVelocity>(self, model: M) -> PathDrift<M, W> {
        PathDrift::new(model, self.diffusion, side(0.0, 1.0))
    }

    /// Returns the drift from late times to early ones as a field, `u − ½ w² s`, for your own integrations. See
    /// [`PathDrift`].
    #[doc(alias = "reverse diffusion")]
    pub fn backwards<M: ScoredVelocity>(self, model: M) -> PathDrift<M, W> {
        PathDrift::new(model, self.diffusion, side(1.0, 0.0))
    }
}

/// Returns the times of n equal steps from a start to an end, in either direction.
///
/// ```
/// use advect_samplers::equal_times;
/// # fn main() -> advect_core::Result<()> {
/// assert_eq!(equal_times(1.0, 0.5, 2)?, [1.0, 0.75, 0.5]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Range`] for 0 steps, and for times that are equal or not within \[0, 1\].
pub fn equal_times(start: f64, end: f64, steps: usize) -> Result<Vec<f64>> {
    check_steps(steps)?;
    check_times(&[start, end])?;
    let time = |i: usize| match i == steps {
        true => end,
        false => start + (end - start) * i as f64 / steps as f64,
    };
    Ok((0..=steps).map(time).collect())
}

/// Accepts times that rise or fall within [0, 1].
fn check_times(times: &[f64]) -> Result<()> {
    let inside = times.iter().all(|t| (0.0..=1.0).contains(t));
    let rise = times.windows(2).all(|pair| pair[0] < pair[1]);
    let fall = times.windows(2).all(|pair| pair[0] > pair[1]);
    if times.len() >= 2 && inside && (rise || fall) {
        return Ok(());
    }
    let given = match times {
        few if few.len() <= 8 => format!("{few:?}"),
        many => format!("{} times", many.len()),
    };
    let accepted = "at least two times that rise, or fall, within [0, 1]";
    Err(Error::range("times", given, accepted))
}

/// The factor of `w² s` in the drift, by the direction in which a path is followed.
fn side(start: f64, end: f64) -> f64 {
    if end < start { -0.5 } else { 0.5 }
}

/// w², checked.
fn squared(diffusion: &impl DiffusionCoefficient, schedule: &dyn Schedule, t: f64) -> Result<f64> {
    let squared = diffusion.squared(schedule, t);
    match squared >= 0.0 && squared.is_finite() {
        true => Ok(squared),
        false => {
            let accepted = "one that is finite and not negative at every step";
            let given = format!("w² = {squared} at t = {t}");
            Err(Error::range("diffusion", given, accepted))
        }
    }
}

/// The one time of all samples.
pub(crate) fn shared(t: &Time) -> Result<f64> {
    match t {
        Time::Shared(t) => check::finite_number("t", *t),
        Time::PerSample(_) => Err(Error::range("t", "one per sample", "one for all")),
    }
}
