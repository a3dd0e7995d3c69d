//! From noise to samples.

use advect_core::{Generator, Result};
use advect_paths::schedule::Schedule;
use candle_core::Tensor;

use crate::grid::{Grid, checked};
use crate::rule::Rule;
use crate::{Level, Model, Run};

/// A way from noise to samples: a [`Rule`] on a [`Grid`] ([`Rule::on`]), or
/// [`ProbabilityFlow`](crate::ProbabilityFlow) with any solver.
pub trait Sampler {
    /// Where the state has to be at the start: at `α x1 + σ x0`, which is `σ x0` with standard normal x0 where α is small.
    ///
    /// # Errors
    /// Those of the grid.
    fn start(&self, schedule: &dyn Schedule) -> Result<Level>;

    /// Takes a state `(batch, ...)` from the start to the end.
    ///
    /// # Errors
    /// Typed errors for a state that is empty, no float or not finite, and for a grid that does not fit the schedule; those
    /// of the field; [`Error::Stopped`](advect_core::Error::Stopped) where a state becomes NaN or infinite.
    fn run(&self, run: &mut Run<'_>, x: &Tensor) -> Result<Tensor>;

    /// Takes a state from the start to the end, with the generator's next noise.
    ///
    /// The state is on the scale of the path: for schedules with much noise, standard normal numbers have to be multiplied by
    /// σ of [`Sampler::start`], as [`Source`](crate::Source) does.
    ///
    /// # Errors
    /// As [`Sampler::run`].
    fn sample(&self, model: &Model<'_>, x: &Tensor, rng: &mut Generator) -> Result<Tensor> {
        self.run(&mut Run::new(*model, rng.split()), x)
    }
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<S: Sampler + ?Sized> Sampler for $pointer {
            fn start(&self, schedule: &dyn Schedule) -> Result<Level> {
                (**self).start(schedule)
            }
            fn run(&self, run: &mut Run<'_>, x: &Tensor) -> Result<Tensor> {
                (**self).run(run, x)
            }
        }
    )*};
}
forward!(&S, Box<S>);

/// How the last step is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum LastStep {
    /// As all others.
    #[default]
    Plain,
    /// By the same rule without noise, to the mean.
    Mean,
    /// To the expected data `E[x1 | x]`, by Tweedie's formula, in place of the rule's step, wherever the grid ends.
    Denoise,
}

/// A [`Rule`] on a [`Grid`]; made by [`Rule::on`].
///
/// ```
/// use advect_core::{Generator, Time};
/// use advect_paths::{Prediction, schedule::Edm};
/// use advect_samplers::grid::Karras;
/// use advect_samplers::rule::{EdmRule, Rule};
/// use advect_samplers::{Model, Sampler};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // The denoiser of N(0, ¼), E[x1 | x] = x/4 / (1/4 + σ²).
/// let schedule = Edm::default();
/// let net = |t: &Time, x: &Tensor| {
///     use advect_paths::schedule::Schedule;
///     t.coefficient(|t| 0.25 / (0.25 + Edm::default().sigma(t).powi(2)))?.times(x)
/// };
/// let model = Model::new(&net, Prediction::Data, &schedule);
/// let mut rng = Generator::from_seed(0);
/// let x = (rng.normal(4000, DType::F64, &Device::Cpu)? * 80.0)?;
/// let samples = EdmRule::heun().on(Karras::new(40)?).sample(&model, &x, &mut rng)?;
/// let variance = samples.sqr()?.mean_all()?.to_scalar::<f64>()?;
/// assert!((variance - 0.25).abs() < 0.02);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GridSampler<R, G> {
    rule: R,
    grid: G,
    last: LastStep,
}

impl<R: Rule, G: Grid> GridSampler<R, G> {
    pub(crate) fn new(rule: R, grid: G) -> Self {
        GridSampler {
            rule,
            grid,
            last: LastStep::default(),
        }
    }

    /// The same, with another last step.
    pub fn last_step(self, last: LastStep) -> Self {
        GridSampler { last, ..self }
    }

    /// The levels, checked.
    fn levels(&self, schedule: &dyn Schedule) -> Result<Vec<Level>> {
        checked(self.grid.levels(schedule)?)
    }

    /// From data back to the state at the start, along the same levels: see [`Rule::invert`].
    ///
    /// # Errors
    /// As [`Sampler::run`]; [`Error::Range`](advect_core::Error::Range) for a rule that can't be inverted.
    pub fn invert(&self, run: &mut Run<'_>, x: &Tensor) -> Result<Tensor> {
        let mut levels = self.levels(run.model().schedule)?;
        levels.reverse();
        run.along(&levels, x, |run, leg, x| self.rule.invert(run, leg, x))
    }
}

impl<R: Rule, G: Grid> Sampler for GridSampler<R, G> {
    fn start(&self, schedule: &dyn Schedule) -> Result<Level> {
        Ok(self.levels(schedule)?[0])
    }

    fn run(&self, run: &mut Run<'_>, x: &Tensor) -> Result<Tensor> {
        let levels = self.levels(run.model().schedule)?;
        let mut memory = R::Memory::default();
        run.along(&levels, x, |run, leg, x| match self.last {
            LastStep::Mean if leg.is_last() => {
                run.quietly(|run| self.rule.step(run, &mut memory, leg, x))
            }
            LastStep::Denoise if leg.is_last() => run.evaluate(leg.from.time, x)?.data(),
            _ => self.rule.step(run, &mut memory, leg, x),
        })
    }
}
