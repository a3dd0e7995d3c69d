//! Samplers, which turn noise into samples.

use advect_core::{Generator, Result, forward_to};
use advect_paths::schedule::Schedule;
use candle_core::Tensor;

use crate::grid::{Grid, checked};
use crate::rule::Rule;
use crate::start::{check_noise, check_state};
use crate::{AnyModel, Level, Run};

/// A sampler, which turns noise into samples: a [`Rule`] on a [`Grid`] ([`Rule::on`]), or
/// [`ProbabilityFlow`](crate::ProbabilityFlow) with any solver.
pub trait Sampler {
    /// Returns the level at the start: the state there is `α x1 + σ x0`, which is `σ x0` with standard normal x0
    /// where α is small.
    ///
    /// # Errors
    /// The errors of the grid.
    fn start(&self, schedule: &dyn Schedule) -> Result<Level>;

    /// Carries a state `(batch, ...)` of the path from the start to the end: a latent, data with noise, or the
    /// result of another sampler. (For noise alone, there is [`Sampler::sample`].)
    ///
    /// # Errors
    /// Typed errors for a state that is empty, no float or not finite, or that can't be at the start by its size
    /// ([`Run::check_start`]), and for a grid that does not fit the schedule; the errors
    /// of the field; [`Error::Stopped`](advect_core::Error::Stopped) where a state becomes NaN or infinite.
    fn run(&self, run: &mut Run<'_>, x: &Tensor) -> Result<Tensor>;

    /// Transforms standard normal noise `(batch, ...)` into samples, with the generator's next noise along the
    /// way. The start is `σ` times the noise, with the σ of [`Sampler::start`], and has no data in it. If a
    /// sampler starts late, use [`Sampler::sample_from`].
    ///
    /// ```
    /// use advect_core::{Generator, Time, field_fn};
    /// use advect_paths::{Prediction, schedule::EdmSchedule};
    /// use advect_samplers::grid::Karras;
    /// use advect_samplers::rule::{Edm, Rule};
    /// use advect_samplers::{Model, Sampler};
    /// use candle_core::{DType, Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// let net = field_fn(|_, x| Ok(x.zeros_like()?));
    /// let schedule = EdmSchedule::default(); // σ from 80
    /// let model = Model::new(&net, Prediction::Data, &schedule);
    /// let sampler = Edm::heun().on(Karras::new(18)?);
    /// let mut rng = Generator::from_seed(0);
    /// let noise = rng.normal((2, 8), DType::F32, &Device::Cpu)?;
    /// assert_eq!(sampler.sample(&model, &noise, &mut rng)?.dims(), [2, 8]);
    /// // Noise that is scaled already is told.
    /// let error = sampler.sample(&model, &(noise * 80.0)?, &mut rng).unwrap_err().to_string();
    /// assert!(error.starts_with("noise: got a mean square of "));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Sampler::run`]; [`Error::Range`](advect_core::Error::Range) for noise whose mean square is below ¼ or above 4, where chance
    /// can't have made it.
    fn sample(&self, model: &dyn AnyModel, noise: &Tensor, rng: &mut Generator) -> Result<Tensor> {
        check_noise(noise)?;
        let sigma = self.start(model.schedule())?.sigma;
        let x = match sigma == 1.0 {
            true => noise.clone(),
            false => (noise * sigma)?,
        };
        self.run(&mut Run::new(model, rng.split()).any_start(), &x)
    }

    /// Transforms data `(batch, ...)` into similar samples: adds noise up to the level at which this sampler
    /// starts, and continues from there, with the generator's next noise (Meng et al., SDEdit: guided image
    /// synthesis and editing with stochastic differential equations, 2022, section 3). A sampler that starts late,
    /// on a [`Tail`](crate::grid::Tail) of a grid, keeps more of the data.
    ///
    /// ```
    /// use advect_core::{Generator, Time, field_fn};
    /// use advect_paths::{Prediction, schedule::CondOt};
    /// use advect_samplers::grid::{Tail, UniformTime};
    /// use advect_samplers::rule::{Ddim, Rule};
    /// use advect_samplers::{Model, Sampler};
    /// use candle_core::{DType, Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// // The velocity of data N(0, 1): it fills in the missing parts of the image.
    /// let net = field_fn(|t, x| t.coefficient(|t| (2.0 * t - 1.0) / (t * t + (1.0 - t) * (1.0 - t)))?.times(x));
    /// let schedule = CondOt::default();
    /// let model = Model::new(&net, Prediction::Velocity, &schedule);
    /// let images = Tensor::full(0.5f64, (2, 1, 8, 8), &Device::Cpu)?;
    /// let late = Ddim::new().on(Tail::by_strength(UniformTime::new(50)?, 0.3)?);
    /// let edited = late.sample_from(&model, &images, &mut Generator::from_seed(0))?;
    /// assert_eq!(edited.dims(), [2, 1, 8, 8]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Sampler::run`].
    #[doc(alias = "SDEdit")]
    #[doc(alias = "img2img")]
    fn sample_from(
        &self,
        model: &dyn AnyModel,
        data: &Tensor,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        check_state("data", data)?;
        let level = self.start(model.schedule())?;
        let mut run = Run::new(model, rng.split()).any_start();
        let noise = run.normal_like(data)?;
        self.run(&mut run, &level.noised(data, &noise)?)
    }
}

forward_to!([] Sampler {
    fn start(&self, schedule: &dyn Schedule) -> Result<Level>;
    fn run(&self, run: &mut Run<'_>, x: &Tensor) -> Result<Tensor>;
    fn sample(&self, model: &dyn AnyModel, noise: &Tensor, rng: &mut Generator) -> Result<Tensor>;
    fn sample_from(&self, model: &dyn AnyModel, data: &Tensor, rng: &mut Generator) -> Result<Tensor>;
});

/// The form of the last step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum LastStep {
    /// A step like all others.
    #[default]
    Plain,
    /// A step by the same rule without noise, to the mean.
    Mean,
    /// A step to the expected data `E[x1 | x]`, by Tweedie's formula, in place of the rule's step, wherever the grid ends.
    #[doc(alias = "Tweedie")]
    Denoise,
}

/// A [`Rule`] on a [`Grid`]; [`Rule::on`] makes it.
///
/// ```
/// use advect_core::{Generator, Time, field_fn};
/// use advect_paths::{Prediction, schedule::EdmSchedule};
/// use advect_samplers::grid::Karras;
/// use advect_samplers::rule::{Edm, Rule};
/// use advect_samplers::{Model, Sampler};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // The denoiser of N(0, ¼), E[x1 | x] = x/4 / (1/4 + σ²).
/// let schedule = EdmSchedule::default();
/// let net = field_fn(|t, x| {
///     use advect_paths::schedule::Schedule;
///     t.coefficient(|t| 0.25 / (0.25 + EdmSchedule::default().sigma(t).powi(2)))?.times(x)
/// });
/// let model = Model::new(&net, Prediction::Data, &schedule);
/// let mut rng = Generator::from_seed(0);
/// let noise = rng.normal(4000, DType::F64, &Device::Cpu)?;
/// let samples = Edm::heun().on(Karras::new(40)?).sample(&model, &noise, &mut rng)?;
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

    /// Sets the form of the last step.
    pub fn last_step(self, last: LastStep) -> Self {
        GridSampler { last, ..self }
    }

    /// The levels, checked.
    fn levels(&self, schedule: &dyn Schedule) -> Result<Vec<Level>> {
        checked(self.grid.levels(schedule)?)
    }

    /// Carries data back to the state at the start, along the same levels: see [`Rule::invert`].
    ///
    /// # Errors
    /// As [`Sampler::run`]; [`Error::Range`](advect_core::Error::Range) for a rule that can't be inverted.
    #[doc(alias = "DDIM inversion")]
    pub fn invert(&self, run: &mut Run<'_>, x: &Tensor) -> Result<Tensor> {
        let mut levels = self.levels(run.model().schedule())?;
        levels.reverse();
        run.along(&levels, x, |run, transition, x| {
            self.rule.invert(run, transition, x)
        })
    }
}

impl<R: Rule, G: Grid> Sampler for GridSampler<R, G> {
    fn start(&self, schedule: &dyn Schedule) -> Result<Level> {
        Ok(self.levels(schedule)?[0])
    }

    fn run(&self, run: &mut Run<'_>, x: &Tensor) -> Result<Tensor> {
        let levels = self.levels(run.model().schedule())?;
        run.check_start(&levels[0], x)?;
        let mut memory = R::Memory::default();
        run.along(&levels, x, |run, transition, x| match self.last {
            LastStep::Mean if transition.is_last() => {
                run.quietly(|run| self.rule.step(run, &mut memory, transition, x))
            }
            LastStep::Denoise if transition.is_last() => self.rule.denoise(run, transition, x),
            _ => self.rule.step(run, &mut memory, transition, x),
        })
    }
}
