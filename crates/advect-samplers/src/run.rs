//! One pass of a sampler.

use std::cell::Cell;
use std::ops::ControlFlow;

use advect_core::{Error, Generator, Key, Observer, Result, Time, check};
use advect_ops::without_graph;
use candle_core::Tensor;

use crate::inverse::{Gradient, Likelihood};
use crate::observer::StepInfo;
use crate::start::check_start;
use crate::{AnyModel, Estimate, Level, ScoredVelocity, Transition};

/// The tools of one pass of a sampler: a [`Model`](crate::Model), noise for each sample by its number, a count of
/// evaluations, and an observer.
///
/// ```
/// use advect_core::{Key, field_fn, observer_fn};
/// use advect_paths::{Prediction, schedule::Cosine};
/// use advect_samplers::grid::UniformTime;
/// use advect_samplers::observer::StepInfo;
/// use advect_samplers::rule::{Ddim, Rule};
/// use advect_samplers::{Model, Run, Sampler};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let net = field_fn(|_, x| Ok(x.zeros_like()?));
/// let mut times = Vec::new();
/// let model = Model::new(net, Prediction::Data, Cosine);
/// let mut watch = observer_fn(|reached: &StepInfo| times.push(reached.level.time));
/// let mut run = Run::new(&model, Key::from_seed(0)).observer(&mut watch);
/// let x0 = Tensor::new(&[[1f64]], &Device::Cpu)?;
/// Ddim::new().on(UniformTime::new(4)?).run(&mut run, &x0)?;
/// assert_eq!(run.evaluations(), 4);
/// assert_eq!(times, [0.25, 0.5, 0.75, 1.0]);
/// # Ok(())
/// # }
/// ```
///
/// Samplers between two laws take a run of any [`ScoredVelocity`], which [`Run::of`] makes.
pub struct Run<'a, M: ?Sized = dyn AnyModel + 'a> {
    model: &'a M,
    rng: Generator,
    first_sample: u64,
    evaluations: Cell<usize>,
    observer: Option<&'a mut dyn Observer<StepInfo>>,
    /// Whether noise is 0.
    quiet: bool,
    halted: bool,
    /// Whether the start may be of any size.
    any_start: bool,
}

impl<'a> Run<'a> {
    /// Creates a run with a model and a key for its noise.
    pub fn new(model: &'a dyn AnyModel, key: Key) -> Self {
        Run::of(model, key)
    }

    /// Evaluates the field, once.
    ///
    /// # Errors
    /// The errors of the field; [`Error::Shape`] for a value whose shape does not fit the model.
    pub fn evaluate<'x>(&self, time: f64, x: &'x Tensor) -> Result<Estimate<'a, 'x>> {
        let value = self.counted(|model| model.field().at(&Time::Shared(time), x))?;
        Estimate::new(self.model, time, x, value)
    }

    /// Returns the gradient `∇_x log p(y | x̂1(x))` of a likelihood through the model's expected data, by one evaluation.
    ///
    /// # Errors
    /// The errors of the field and of the likelihood; [`Error::Range`] where the data does not follow from the prediction;
    /// [`Error::Detached`] for a field that no graph connects with x.
    pub fn likelihood_gradient(
        &self,
        likelihood: &dyn Likelihood,
        time: f64,
        x: &Tensor,
    ) -> Result<Tensor> {
        self.evaluations.set(self.evaluations.get() + 1);
        let (field, schedule) = (self.model.field(), self.model.schedule());
        let at = (&Time::Shared(time), x);
        let gradient = Gradient::new(field, self.model.prediction(), schedule, likelihood, at)?;
        Ok(gradient.of_likelihood)
    }
}

impl<'a, M: ScoredVelocity + ?Sized> Run<'a, M> {
    /// Evaluates `u + c s` by the model, once: the velocity plus c times the score.
    ///
    /// # Errors
    /// As [`ScoredVelocity::drift`]; [`Error`] naming `drift` for a value that is not like x.
    pub fn drift(&self, t: f64, x: &Tensor, c: f64) -> Result<Tensor> {
        let drift = self.counted(|model| model.drift(t, x, c))?;
        check::alike("drift", &drift, "x", x)?;
        Ok(drift)
    }
}

impl<'a, M: ?Sized> Run<'a, M> {
    /// Creates a run with a model of any type and a key for its noise.
    pub fn of(model: &'a M, key: Key) -> Self {
        Run {
            model,
            rng: key.into(),
            first_sample: 0,
            evaluations: Cell::new(0),
            observer: None,
            quiet: false,
            halted: false,
            any_start: false,
        }
    }

    /// Numbers the samples from `first` on. The noise of a sample depends on its number, not on the other samples of the batch.
    pub fn first_sample(self, first: u64) -> Self {
        Run {
            first_sample: first,
            ..self
        }
    }

    /// Accepts a start of any size: from a source that is not standard normal, data in place of noise, or zeros.
    pub fn any_start(self) -> Self {
        Run {
            any_start: true,
            ..self
        }
    }

    /// Checks that a state can be the start of a sampler, as [`Sampler::run`](crate::Sampler::run) does first:
    /// `α x1 + σ x0` is not much smaller than `σ x0`, and where α = 0, not much larger. Deviations that can occur
    /// by chance in few numbers are accepted. After [`Run::any_start`], all states are accepted.
    ///
    /// # Errors
    /// Typed errors for a state that is empty, no float or not finite; [`Error::Range`] where its mean square can't be that of the path.
    pub fn check_start(&self, level: &Level, x: &Tensor) -> Result<()> {
        match self.any_start {
            true => Ok(()),
            false => check_start(x, level),
        }
    }

    /// Sets the observer, which receives each level that is reached and may halt the run. Give a pair for two.
    pub fn observer(self, observer: &'a mut dyn Observer<StepInfo>) -> Self {
        Run {
            observer: Some(observer),
            ..self
        }
    }

    /// Returns the model.
    pub fn model(&self) -> &'a M {
        self.model
    }

    /// Returns the number of evaluations of the field so far.
    #[doc(alias = "NFE")]
    pub fn evaluations(&self) -> usize {
        self.evaluations.get()
    }

    /// Returns `true` if the observer halted the run: the state is then that of the last level reached.
    pub fn halted(&self) -> bool {
        self.halted
    }

    /// Returns standard normal noise like `x`, or 0 for a step without noise.
    ///
    /// # Errors
    /// As [`Generator::normal_by_sample`].
    pub fn normal_like(&mut self, x: &Tensor) -> Result<Tensor> {
        match self.quiet {
            true => Ok(x.zeros_like()?),
            false => self.rng.normal_by_sample(self.first_sample, x),
        }
    }

    /// Returns a key and the number of the first sample, for noise that depends on both.
    pub fn noise_key(&mut self) -> (Key, u64) {
        (self.rng.split(), self.first_sample)
    }

    /// Returns `true` if noise is 0, as it is in the last step of [`LastStep::Mean`](crate::LastStep::Mean).
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Begins a pass: nobody has halted it.
    pub(crate) fn begin(&mut self) {
        self.halted = false;
    }

    /// Calls `f` with noise that is 0.
    pub(crate) fn quietly<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let before = std::mem::replace(&mut self.quiet, true);
        let result = f(self);
        self.quiet = before;
        result
    }

    /// What the model finds, counted as one evaluation.
    fn counted(&self, f: impl FnOnce(&'a M) -> Result<Tensor>) -> Result<Tensor> {
        self.evaluations.set(self.evaluations.get() + 1);
        // No step is differentiated: a graph would hold all that came before.
        Ok(without_graph(|| f(self.model))?.detach())
    }

    /// Takes a state along levels, by a step from each to the next, until the end or until the observer halts the run.
    ///
    /// Values of the field and states are outside of any graph.
    ///
    /// # Errors
    /// [`Error::Range`] for fewer than two levels; typed errors for a state that is empty, no float or not finite; the errors
    /// of the step; [`Error::Stopped`], with the level and the sample, where a state becomes NaN or infinite.
    pub fn along(
        &mut self,
        levels: &[Level],
        x: &Tensor,
        mut step: impl FnMut(&mut Self, &Transition, &Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        check::batch("x", x)?;
        check::float("x", x)?;
        check::finite("x", x)?;
        let [first, .., end] = levels else {
            return Err(Error::range("levels", levels.len(), "at least 2"));
        };
        self.begin();
        let mut x = x.detach();
        let count = levels.len() - 1;
        let noisy = levels.iter().filter(|level| !level.is_clean());
        let least = noisy.fold(first, |least, level| match level.log_snr > least.log_snr {
            true => level,
            false => least,
        });
        for (index, pair) in levels.windows(2).enumerate() {
            let transition = Transition {
                index,
                count,
                from: pair[0],
                to: pair[1],
                end: *end,
                least: *least,
            };
            let next = step(self, &transition, &x)?.detach();
            check::alike("the state after a step", &next, "x", &x)?;
            let at = || format!("t = {}, step {} of {count}", transition.to.time, index + 1);
            check_finite(&next, at)?;
            x = next;
            self.reached(index + 1, Some(count), &transition.to, &x)?;
            if self.halted {
                break;
            }
        }
        Ok(x)
    }

    /// Shows a level to the observer.
    ///
    /// # Errors
    /// The errors of the observer.
    pub fn reached(
        &mut self,
        step: usize,
        steps: Option<usize>,
        level: &Level,
        x: &Tensor,
    ) -> Result<()> {
        if let Some(observer) = &mut self.observer {
            let reached = StepInfo {
                step,
                steps,
                level: *level,
                x: x.clone(),
                evaluations: self.evaluations.get(),
            };
            self.halted = observer.observe(&reached)? == ControlFlow::Break(());
        }
        Ok(())
    }
}

impl<M: ?Sized> std::fmt::Debug for Run<'_, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (f.debug_struct("Run"))
            .field("evaluations", &self.evaluations)
            .finish_non_exhaustive()
    }
}

/// Which sample broke, and where.
pub(crate) fn check_finite(x: &Tensor, at: impl Fn() -> String) -> Result<()> {
    if check::is_finite(x)? {
        return Ok(());
    }
    let mut sample = 0;
    while sample + 1 < x.dim(0)? && check::is_finite(&x.narrow(0, sample, 1)?)? {
        sample += 1;
    }
    let reason = "the state became NaN or infinite; check the field there, or take smaller steps";
    Err(Error::stopped(format!("{}, sample {sample}", at()), reason))
}
