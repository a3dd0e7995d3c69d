//! The sampler of a scheduler.

use advect_core::{Generator, Result};
use advect_paths::schedule::Schedule;
use advect_samplers::grid::Grid;
use advect_samplers::rule::Rule;
use advect_samplers::{AnyModel, Level, Run, Sampler};
use candle_core::Tensor;

/// The sampler of a [`Scheduler`](crate::Scheduler) with a number of steps.
///
/// [`Sampler::sample`] begins as diffusers' pipelines do: most of them with the noise as it is, where other samplers take σ times the noise.
pub struct SchedulerSampler {
    inner: Box<dyn Sampler + Send + Sync>,
    /// Whether noise is taken as it is.
    plain: bool,
    /// A factor on the state at the end.
    factor: f64,
}

impl SchedulerSampler {
    /// Creates a sampler that begins with noise as it is.
    pub(super) fn new<R>(rule: R, grid: impl Grid + Send + Sync + 'static) -> Self
    where
        R: Rule + Send + Sync + 'static,
    {
        let grid: Box<dyn Grid + Send + Sync> = Box::new(grid);
        SchedulerSampler {
            inner: Box::new(rule.on(grid)),
            plain: true,
            factor: 1.0,
        }
    }

    /// Begins with σ times the noise.
    pub(super) fn scaled(self) -> Self {
        SchedulerSampler {
            plain: false,
            ..self
        }
    }

    /// Multiplies the state at the end.
    pub(super) fn times(self, factor: f64) -> Self {
        SchedulerSampler { factor, ..self }
    }

    fn end(&self, x: Tensor) -> Result<Tensor> {
        match self.factor {
            1.0 => Ok(x),
            factor => Ok((x * factor)?),
        }
    }
}

impl Sampler for SchedulerSampler {
    fn start(&self, schedule: &dyn Schedule) -> Result<Level> {
        self.inner.start(schedule)
    }

    fn run(&self, run: &mut Run<'_>, x: &Tensor) -> Result<Tensor> {
        self.end(self.inner.run(run, x)?)
    }

    fn sample(&self, model: &dyn AnyModel, noise: &Tensor, rng: &mut Generator) -> Result<Tensor> {
        match self.plain {
            true => self.run(&mut Run::new(model, rng.split()), noise),
            false => self.end(self.inner.sample(model, noise, rng)?),
        }
    }
}

impl std::fmt::Debug for SchedulerSampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SchedulerSampler").finish_non_exhaustive()
    }
}
