//! The training loop.

mod resume;
pub(crate) mod roles;
mod step_report;

use std::collections::BTreeMap;
use std::fmt::Display;

use advect_core::{Error, Generator, Observer, Result, check};
use advect_nn::{ParameterStore, Stateful};
use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor, Var};

use crate::checkpoint::{AVERAGE, PARAMETERS};
use crate::clip::{gradient_norm, scale_gradients};
use crate::decay::Decay;
use crate::ema::named;
use crate::learning_rate::LearningRate;
use crate::{AdamW, Ema, StatefulOptimizer};
use roles::{Role, Roles};
pub use step_report::StepReport;

/// A training run: parameters, an optimiser, a generator, the count of steps, and, if asked for,
/// clipping, a learning-rate schedule and an average.
///
/// [`Trainer::update`] makes one step from a loss, for loops of one's own; [`Trainer::run`] is the loop.
/// [`Trainer::save`] and [`Trainer::resume`] store and restore all of its state: a run that stops and
/// resumes has the same bits as one that never stopped, as long as its losses depend on nothing but the
/// step and the generator.
///
/// Every parameter of the store is accounted for. The first step, and the first after the store has grown, is an error
/// unless the optimiser holds each parameter and the loss gives each a gradient. [`Trainer::freeze`] and
/// [`Trainer::may_be_unused`] say which parameters need not. Later steps list those without a gradient in their
/// [`StepReport`].
///
/// ```
/// use advect_core::{Generator, Key};
/// use advect_nn::{Linear, ParameterStore};
/// use advect_train::{AdamW, AdamWConfig, Trainer, learning_rate::WarmupCosine};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let net = Linear::new(1, 1, &store.builder())?;
/// let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
/// let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(0))
///     .learning_rate(WarmupCosine::new(0.1, 10, 300)?)
///     .ema(0.9)?;
/// trainer.run(300, |_, rng| {
///     let x = rng.normal((32, 1), DType::F64, &Device::Cpu)?;
///     Ok((net.forward(&x)? - ((&x * 2.0)? + 1.0)?)?.sqr()?.mean_all()?)
/// }, &mut ())?;
/// assert!((net.bias().to_vec1::<f64>()?[0] - 1.0).abs() < 0.05);
/// # Ok(())
/// # }
/// ```
pub struct Trainer<O = AdamW> {
    store: ParameterStore,
    optimizer: O,
    rng: Generator,
    step: usize,
    rate: Option<Box<dyn LearningRate + Send>>,
    max_norm: Option<f64>,
    ema: Option<Ema>,
    roles: Roles,
    settings: BTreeMap<String, String>,
    told_end: bool,
}

impl<O: StatefulOptimizer> Trainer<O> {
    /// A run that begins at step 0. Random numbers of the losses come from `rng`.
    pub fn new(store: &ParameterStore, optimizer: O, rng: Generator) -> Self {
        Trainer {
            store: store.clone(),
            optimizer,
            rng,
            step: 0,
            rate: None,
            max_norm: None,
            ema: None,
            roles: Roles::default(),
            settings: BTreeMap::new(),
            told_end: false,
        }
    }

    /// Sets the learning rate of each step; without this, it is the optimiser's own.
    pub fn learning_rate(self, rate: impl LearningRate + Send + 'static) -> Self {
        Trainer {
            rate: Some(Box::new(rate)),
            ..self
        }
    }

    /// Clips gradients to this global norm.
    ///
    /// # Errors
    /// [`Error::Range`] unless it is above 0.
    pub fn clip_norm(self, max_norm: f64) -> Result<Self> {
        let max_norm = Some(check::positive("max_norm", max_norm)?);
        Ok(Trainer { max_norm, ..self })
    }

    /// Averages the parameters with this decay: a number, a [`Warmup`](crate::decay::Warmup), or a function of the step.
    ///
    /// # Errors
    /// As [`Ema::new`].
    pub fn ema(self, decay: impl Decay + Send + Sync + 'static) -> Result<Self> {
        let ema = Some(Ema::new(&self.store, decay)?);
        Ok(Trainer { ema, ..self })
    }

    /// Leaves the parameters with this name as they are, whatever gradient they have. In the name, `*` stands for any
    /// characters. May be called several times.
    ///
    /// ```
    /// # use advect_core::{Generator, Key};
    /// # use advect_nn::{Linear, ParameterStore};
    /// # use advect_train::{AdamW, AdamWConfig, Trainer};
    /// # use candle_core::{DType, Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
    /// let encoder = Linear::new(2, 2, &store.builder().pp("encoder"))?;
    /// let head = Linear::new(2, 1, &store.builder().pp("head"))?;
    /// let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
    /// let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(0)).freeze("encoder.*")?;
    /// let before = encoder.bias().to_vec1::<f64>()?;
    /// let x = Tensor::ones((1, 2), DType::F64, &Device::Cpu)?;
    /// trainer.update(&head.forward(&encoder.forward(&x)?)?.sum_all()?)?;
    /// assert_eq!(encoder.bias().to_vec1::<f64>()?, before);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Range`] if no parameter of the store has such a name.
    pub fn freeze(mut self, name: &str) -> Result<Self> {
        (self.roles).declare("freeze", name, Role::Frozen, &self.store)?;
        Ok(self)
    }

    /// Accepts that losses leave out the parameters with this name from the first step on, as a branch that is not always
    /// taken does. In the name, `*` stands for any characters. May be called several times.
    ///
    /// # Errors
    /// [`Error::Range`] if no parameter of the store has such a name.
    pub fn may_be_unused(mut self, name: &str) -> Result<Self> {
        (self.roles).declare("may_be_unused", name, Role::MayBeUnused, &self.store)?;
        Ok(self)
    }

    /// Notes a setting of the run, such as its seed or its batch size: it is stored in checkpoints, and
    /// [`Trainer::resume`] refuses those of a run with other settings.
    pub fn setting(mut self, name: &str, value: impl Display) -> Self {
        self.settings.insert(name.to_string(), value.to_string());
        self
    }

    /// The averaged parameters, if there are any, else the parameters themselves: what to sample with.
    /// Its [`ParameterStore::frozen`] builds the twin that does.
    pub fn averaged(&self) -> &ParameterStore {
        self.ema.as_ref().map_or(&self.store, Ema::parameters)
    }

    /// The optimiser.
    pub fn optimizer(&self) -> &O {
        &self.optimizer
    }

    /// The number of steps made.
    pub fn step(&self) -> usize {
        self.step
    }

    /// The generator: what [`Trainer::run`] hands to losses.
    pub fn rng(&mut self) -> &mut Generator {
        &mut self.rng
    }

    /// Makes one step down the gradient of a scalar loss.
    ///
    /// # Errors
    /// [`Error::Shape`] unless the loss is a scalar; [`Error::Stopped`] if
    /// - the loss, its gradient, the learning rate or the average's decay is NaN or out of range,
    /// - the step would leave NaN or an infinity in a parameter or in the optimiser's state,
    /// - no parameter has a gradient, or, on the first step, some parameter is not accounted for (see [`Trainer`]), or
    ///   not finite.
    ///
    /// After an error the parameters, the optimiser, the average and the count of steps are those of before the step.
    pub fn update(&mut self, loss: &Tensor) -> Result<StepReport> {
        if loss.rank() != 0 {
            return Err(Error::shape("loss", loss.dims(), "a scalar"));
        }
        let value = loss.to_dtype(DType::F64)?.to_scalar::<f64>()?;
        if !value.is_finite() {
            return Err(self.stopped(format!("the loss is {value}")));
        }
        let mut grads = loss.backward()?;
        let old_rate = self.optimizer.learning_rate();
        let rate = (self.rate.as_ref()).map_or(old_rate, |rate| rate.at(self.step));
        if !(rate >= 0.0 && rate.is_finite()) {
            return Err(self.stopped(format!("the learning rate is {rate}")));
        }
        let (trained, without_gradient) = self.account(&mut grads)?;
        let norm = gradient_norm(&grads, &trained)?;
        if !norm.is_finite() {
            return Err(self.stopped(self.spoiled(&grads, norm)?));
        }
        let mut bound = norm;
        if let Some(max_norm) = self.max_norm.filter(|&max_norm| norm > max_norm) {
            scale_gradients(&mut grads, &trained, max_norm / norm)?;
            // With room for the rounding of each product.
            bound = 1.01 * max_norm;
        }
        let average = match &self.ema {
            Some(ema) => {
                let decay = ema.ready(self.step);
                Some((
                    ema,
                    decay.map_err(|e| self.stopped(format!("average: {e}")))?,
                ))
            }
            None => None,
        };

        self.optimizer.set_learning_rate(rate);
        if let Err(error) = self.optimizer.try_step(&grads, bound) {
            self.optimizer.set_learning_rate(old_rate);
            return Err(match error {
                Error::Stopped { reason, .. } => self.stopped(reason),
                other => other,
            });
        }
        if let Some((ema, decay)) = average {
            ema.advance(decay)?;
        }
        let ended = self.rate.as_ref().and_then(|rate| rate.end());
        let schedule_ended = !self.told_end && ended.is_some_and(|end| self.step >= end);
        self.told_end |= schedule_ended;
        self.step += 1;
        Ok(StepReport {
            step: self.step,
            loss: value,
            gradient_norm: norm,
            learning_rate: rate,
            without_gradient,
            schedule_ended,
        })
    }

    /// Makes steps until `until` are made in all, each on the loss of `loss(step, rng)`, and tells
    /// `observer` of each, which may stop the run.
    ///
    /// # Errors
    /// Those of `loss`, and as [`Trainer::update`].
    pub fn run(
        &mut self,
        until: usize,
        mut loss: impl FnMut(usize, &mut Generator) -> Result<Tensor>,
        observer: &mut dyn Observer<StepReport>,
    ) -> Result<()> {
        while self.step < until {
            let loss = loss(self.step, &mut self.rng)?;
            if observer.observe(&self.update(&loss)?)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Takes the gradients of frozen parameters away. Returns the variables that a step is to move, and the names of the
    /// parameters that have no gradient.
    fn account(&mut self, grads: &mut GradStore) -> Result<(Vec<Var>, Vec<String>)> {
        let vars = self.store.vars();
        if !vars.iter().any(|var| grads.get(var).is_some()) {
            return Err(self.stopped("the loss depends on no parameter"));
        }
        if !self.roles.are_known(vars.len()) {
            let (parameters, optimized) = (self.store.parameters(), self.optimizer.parameters());
            let account = self.roles.account(&parameters, &optimized, grads);
            let roles = account.map_err(|reason| self.stopped(reason))?;
            self.check_finite()?;
            self.roles.set_known(roles);
        }
        let mut trained = Vec::with_capacity(vars.len());
        let mut lacking = Vec::new();
        for (i, (var, role)) in vars.into_iter().zip(self.roles.known()).enumerate() {
            match (role, grads.get(&var).is_some()) {
                (Role::Frozen, _) => {
                    grads.remove(&var);
                }
                (_, true) => trained.push(var),
                (_, false) => lacking.push(i),
            }
        }
        if trained.is_empty() {
            return Err(self.stopped("the loss depends on frozen parameters only"));
        }
        let without_gradient = match lacking.is_empty() {
            true => Vec::new(),
            false => {
                let parameters = self.store.parameters();
                lacking.iter().map(|&i| parameters[i].0.clone()).collect()
            }
        };
        Ok((trained, without_gradient))
    }

    /// Refuses parameters, optimisers and averages that begin with NaN or an infinity.
    fn check_finite(&self) -> Result<()> {
        for (part, stateful) in self.parts() {
            for (name, var) in stateful.variables() {
                check::finite("x", &var).map_err(|e| named(e, format!("{part}/{name}")))?;
            }
        }
        Ok(())
    }

    /// Why the norm of the gradients is not finite.
    fn spoiled(&self, grads: &GradStore, norm: f64) -> Result<String> {
        for (name, var) in self.store.parameters() {
            if let Some(gradient) = grads.get(&var)
                && !check::is_finite(gradient)?
            {
                return Ok(format!(
                    "the gradient's norm is {norm}: that by \"{name}\" is not finite"
                ));
            }
        }
        Ok(format!("the gradient's norm is {norm}"))
    }

    fn stopped(&self, reason: impl Display) -> Error {
        Error::stopped(format!("step {}", self.step), reason)
    }

    /// Everything that a checkpoint holds, by name.
    fn parts(&self) -> Vec<(&'static str, &dyn Stateful)> {
        let mut parts: Vec<(&'static str, &dyn Stateful)> =
            vec![(PARAMETERS, &self.store), ("optimizer", &self.optimizer)];
        if let Some(ema) = &self.ema {
            parts.push((AVERAGE, ema));
        }
        parts
    }
}

impl<O> std::fmt::Debug for Trainer<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trainer")
            .field("step", &self.step)
            .field("rng", &self.rng)
            .field("max_norm", &self.max_norm)
            .field("parameters", &self.store)
            .finish_non_exhaustive()
    }
}
