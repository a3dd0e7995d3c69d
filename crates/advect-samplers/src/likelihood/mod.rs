//! Likelihoods by the probability-flow ODE (Song et al. 2021a, section 4.3 and appendix D.2; Grathwohl et al. 2019),
//! bounds of them by denoising errors (Song et al. 2021b), and bits per dimension.
//!
//! | item | gives | of |
//! | --- | --- | --- |
//! | [`Likelihood`] | log-densities, of data or while sampling | the probability flow |
//! | [`LikelihoodBound`] | lower bounds of log-densities, without a solver | the reverse diffusion |
//! | [`UniformDequantization`] | continuous data from levels | |
//! | [`BitsPerDimension`] | bits, with the convention by which they were counted | any of them |
//!
//! DDPM's variational bound is an objective, `VariationalBound::terms` of advect-objectives; [`BitsPerDimension::of_levels`]
//! counts its bits. So is variational dequantization, whose bits [`BitsPerDimension::counted_by`] counts.

mod bits_per_dimension;
mod bound;
mod ends;
mod uniform_dequantization;

use advect_core::normal::log_normal;
use advect_core::{Error, Generator, Jvp, Key, Result, check};
use advect_paths::Prediction;
use advect_paths::schedule::{CondOt, Schedule};
use advect_solvers::Solver;
use advect_solvers::controller::Controller;
use advect_solvers::divergence::{Divergence, Exact, Flow, Hutchinson, Probe};
use advect_solvers::stepper::Stepper;
use candle_core::{DType, Tensor};

use crate::Model;
use crate::start::{check_noise, check_state};

use ends::{Ends, check_without_variances};

pub use bits_per_dimension::{BitsPerDimension, Convention};
pub use bound::{LikelihoodBound, LogLikelihoodBound};
pub use uniform_dequantization::UniformDequantization;

/// The log-density of data under a model, `log p(x1) = log N(x(start); 0, σ² I) − ∫ ∇·u dt`, along the probability
/// flow from the data back to the start, where σ is the schedule's.
///
/// The divergence is exact, at one directional derivative a dimension, or [estimated](Likelihood::hutchinson). The field has to have
/// derivatives along its state ([`Jvp`]), as all networks and closed forms of Advect do.
///
/// ```
/// use advect_core::Key;
/// use advect_paths::closed_form::{Covariance, Gaussian, Law};
/// use advect_paths::{Prediction, schedule::CondOt};
/// use advect_samplers::Model;
/// use advect_samplers::likelihood::Likelihood;
/// use advect_solvers::divergence::Probe;
/// use advect_solvers::{Solver, controller::Adaptive, stepper::Dopri5};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let law = Gaussian::new(&Tensor::new(&[2f64, 0.0], &Device::Cpu)?, Covariance::isotropic(0.25)?)?;
/// let schedule = CondOt::default();
/// let field = law.velocity(schedule);
/// let likelihood = Likelihood::new(Model::new(field, Prediction::Velocity, schedule));
/// let solver = Solver::new(Dopri5, Adaptive::new(1e-8, 1e-8)?);
///
/// let x = Tensor::new(&[[2f64, 0.5]], &Device::Cpu)?;
/// let found = likelihood.log_density(&solver, &x)?;
/// // −½ (0.5/0.5)² − ln(2π 0.25)
/// let expected = -0.5 - (0.5 * std::f64::consts::PI).ln();
/// assert!((found.nats.to_vec1::<f64>()?[0] - expected).abs() < 1e-6);
///
/// // The Jacobian is a multiple of 1, which every probe of signs knows.
/// let estimate = likelihood.hutchinson(Probe::Rademacher, 4, Key::from_seed(0))?.log_density(&solver, &x)?;
/// assert!((estimate.nats.to_vec1::<f64>()?[0] - expected).abs() < 1e-6);
/// assert!(estimate.standard_error.unwrap().to_vec1::<f64>()?[0] < 1e-6);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "probability flow ODE")]
#[doc(alias = "NLL")]
#[doc(alias = "log_prob")]
#[doc(alias = "FFJORD")]
#[doc(alias = "CNF")]
#[derive(Debug, Clone, Copy)]
pub struct Likelihood<F, S> {
    model: Model<F, S>,
    ends: Ends,
    trace: Trace,
    first_sample: u64,
}

impl<F: Jvp> Likelihood<F, CondOt> {
    /// Creates the likelihood of any velocity that carries N(0, deviation² I) at time 0 to the data at 1, with the exact divergence: that of
    /// a model of two fields, [`TwoFields::velocity`](crate::TwoFields::velocity) or [`TwoHeads::velocity`](crate::TwoHeads::velocity),
    /// whose source is Gaussian. For other sources, [`Flow`] gives the change of the log-density.
    ///
    /// # Errors
    /// [`Error::Range`] unless the deviation is above 0.
    pub fn of_velocity(velocity: F, deviation: f64) -> Result<Self> {
        let model = Model::new(velocity, Prediction::Velocity, CondOt::default());
        Likelihood::new(model).source_deviation(deviation)
    }
}

/// How the divergence is found.
#[derive(Debug, Clone, Copy)]
enum Trace {
    Exact,
    Hutchinson {
        probe: Probe,
        count: usize,
        key: Key,
    },
}

/// Log-densities with their standard errors, and the samples at the other end of the flow.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LogLikelihood {
    /// The log-density of each sample at the end, in nats, `(batch,)`, f64.
    pub nats: Tensor,
    /// The standard error of each log-density, if there are two probes or more.
    pub standard_error: Option<Tensor>,
    /// The states at the other end of the flow: the latents of data, or samples.
    pub x: Tensor,
    /// The number of elements of a sample.
    pub dimensions: usize,
    /// The number of evaluations of the field, each with all of its derivatives.
    pub evaluations: usize,
}

impl<F: Jvp, S: Schedule> Likelihood<F, S> {
    /// Creates the likelihood of a model, from time 0 to 1, with the exact divergence.
    pub fn new(model: Model<F, S>) -> Self {
        Likelihood {
            model,
            ends: Ends::default(),
            trace: Trace::Exact,
            first_sample: 0,
        }
    }

    /// Numbers the samples from `first` on. The probes of a sample depend on its number, not on the other samples of the batch.
    pub fn first_sample(self, first: u64) -> Self {
        Likelihood {
            first_sample: first,
            ..self
        }
    }

    /// Sets the times of the start and the end. If the velocity is infinite at 1, end shortly before (score SDEs take
    /// 1 − 1e-5): the density is then that of the state `α x1 + σ x0` there, with the little noise that is left.
    ///
    /// # Errors
    /// [`Error::Range`] unless `0 ≤ start < end ≤ 1`.
    pub fn within(self, start: f64, end: f64) -> Result<Self> {
        let ends = self.ends.within(start, end)?;
        Ok(Likelihood { ends, ..self })
    }

    /// Sets the standard deviation of the source, which is σ at the start by default.
    ///
    /// # Errors
    /// [`Error::Range`] unless it is above 0.
    pub fn source_deviation(self, deviation: f64) -> Result<Self> {
        let ends = self.ends.source_deviation(deviation)?;
        Ok(Likelihood { ends, ..self })
    }

    /// Uses Hutchinson's estimate of the divergence, from `count` probes for each sample that are drawn once by the
    /// key and fixed along the whole flow. It is unbiased and costs one directional derivative for each probe. Two
    /// probes or more give a standard error.
    ///
    /// # Errors
    /// [`Error::Range`] for 0 probes.
    #[doc(alias = "FFJORD")]
    #[doc(alias = "trace estimator")]
    pub fn hutchinson(self, probe: Probe, count: usize, key: Key) -> Result<Self> {
        check::at_least_one("count", count)?;
        Ok(Likelihood {
            trace: Trace::Hutchinson { probe, count, key },
            ..self
        })
    }

    /// Returns the log-density of data `(batch, ...)`, with its latents.
    ///
    /// # Errors
    /// Typed errors for data that is empty, no float or not finite; the errors of the field; [`Error::Stopped`] if the solver does
    /// not reach the start.
    pub fn log_density<St, C>(&self, solver: &Solver<St, C>, x1: &Tensor) -> Result<LogLikelihood>
    where
        St: Stepper<(Tensor, Tensor)>,
        C: Controller<St, (Tensor, Tensor)>,
    {
        self.transport(solver, x1, self.ends.end, self.ends.start)
    }

    /// Transforms standard normal noise, `(batch, ...)`, into samples at the end, with their log-density. The start is the noise
    /// times the source's deviation.
    ///
    /// # Errors
    /// As [`Likelihood::log_density`]; [`Error::Range`] for noise whose mean square is below ¼ or above 4, where chance can't have
    /// made it.
    pub fn sample<St, C>(&self, solver: &Solver<St, C>, noise: &Tensor) -> Result<LogLikelihood>
    where
        St: Stepper<(Tensor, Tensor)>,
        C: Controller<St, (Tensor, Tensor)>,
    {
        check_noise(noise)?;
        let x0 = match self.ends.source(self.model.schedule())? {
            1.0 => noise.clone(),
            deviation => (noise * deviation)?,
        };
        self.transport(solver, &x0, self.ends.start, self.ends.end)
    }

    fn transport<St, C>(
        &self,
        solver: &Solver<St, C>,
        x: &Tensor,
        from: f64,
        to: f64,
    ) -> Result<LogLikelihood>
    where
        St: Stepper<(Tensor, Tensor)>,
        C: Controller<St, (Tensor, Tensor)>,
    {
        check_state("x", x)?;
        check_without_variances(&self.model)?;
        let deviation = self.ends.source(self.model.schedule())?;
        let x = &x.detach();
        let flow = Flow::new(self.model.velocity(), self.divergence(x)?).detached();
        let moved = flow.transport(solver, x, from, to)?;
        let (change, standard_error) = moved.log_density_estimate()?;
        let at_start = if from < to { x } else { &moved.x };
        let base = log_normal(&at_start.to_dtype(DType::F64)?, deviation * deviation)?;
        // From the start to the end, whichever way it was taken.
        let nats = (base + (change * (to - from).signum())?)?;
        Ok(LogLikelihood {
            nats,
            standard_error,
            dimensions: x.elem_count() / x.dims()[0],
            x: moved.x,
            evaluations: moved.statistics.evaluations,
        })
    }

    /// The exact divergence, or one estimated by probes for each sample by its number.
    fn divergence(&self, x: &Tensor) -> Result<Box<dyn Divergence>> {
        let Trace::Hutchinson { probe, count, key } = self.trace else {
            return Ok(Box::new(Exact));
        };
        check::memory("count", &[count, x.elem_count()], DType::F64)?;
        let mut rng = Generator::from(key);
        let draw = |_| probe.draw_by_sample(self.first_sample, x, &mut rng);
        let probes = (0..count).map(draw).collect::<Result<Vec<_>>>()?;
        Ok(Box::new(Hutchinson::with_probes(probes)?))
    }
}

/// One number for each sample, on the host.
fn numbers(argument: &'static str, values: &Tensor) -> Result<Vec<f64>> {
    if values.rank() != 1 {
        return Err(Error::shape(argument, values.dims(), "(batch,)"));
    }
    check::batch(argument, values)?;
    check::finite(argument, values)?;
    Ok(values.to_dtype(DType::F64)?.to_vec1()?)
}
