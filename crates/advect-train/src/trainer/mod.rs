//! The training loop.

mod clock;
mod epochs;
mod loss_scale;
mod non_finite;
mod records;
mod replica;
mod resume;
pub(crate) mod roles;
mod run;
mod step;
mod step_report;

use std::collections::BTreeMap;
use std::fmt::Display;

use advect_core::{Error, Generator, Key, Result, check};
use advect_nn::{ParameterStore, Stateful};
use candle_core::Device;

use crate::checkpoint::{AVERAGE, PARAMETERS};
use crate::decay::Decay;
use crate::learning_rate::LearningRate;
use crate::{AdamW, AdamWConfig, Ema, ParameterGroup, StatefulOptimizer};
use clock::Clock;
use epochs::Epochs;
pub use loss_scale::LossScale;
pub use non_finite::NonFinite;
use records::Records;
pub(crate) use records::check_name;
use roles::Roles;
pub use run::RunEnd;
pub use step_report::StepReport;

/// A training run: parameters, an optimiser, a generator, the number of steps, and optionally clipping, a learning-rate
/// schedule and an average.
///
/// [`Trainer::run`] is the loop, and tells observers of each step; [`Trainer::update`] makes one step from a loss, for
/// your own loops. A step has two parts, [`Trainer::gradients`] and [`Trainer::apply`], between which gradients can be
/// accumulated, averaged over machines and inspected.
///
/// [`Trainer::save`] and [`Trainer::resume`] store and restore all of its state: a run that stops and
/// resumes has the same bits as one that never stopped, as long as its losses depend on nothing but the
/// step and the generator.
///
/// Every parameter of the store is accounted for. The first step, and the first after the store has grown, is an error
/// unless the optimiser holds each parameter and the loss gives each a gradient. Parameters in a [`Trainer::group`]
/// that is frozen or may be unused are exempt. Later steps, those of a run that resumes among them, list the parameters without a
/// gradient in their [`StepReport`].
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
#[doc(alias = "training loop")]
#[doc(alias = "fit")]
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
    report: StepReport,
    until: Option<usize>,
    epochs: Option<Epochs>,
    non_finite: NonFinite,
    loss_scale: Option<LossScale>,
    records: Records,
    clock: Option<Clock>,
}

impl<O> Trainer<O> {
    /// Returns the report of the last step that this trainer made. Before the first step, its numbers are NaN.
    pub fn report(&self) -> &StepReport {
        &self.report
    }

    /// The device of the parameters.
    pub(crate) fn device(&self) -> &Device {
        self.store.device()
    }

    /// Returns the number of steps at which the current or last [`run`](Trainer::run) ends, if there was one.
    pub fn until(&self) -> Option<usize> {
        self.until
    }
}

impl<O: StatefulOptimizer> Trainer<O> {
    /// Creates a run that begins at step 0. Random numbers of the losses come from `rng`.
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
            report: StepReport::none(0),
            until: None,
            epochs: None,
            non_finite: NonFinite::Stop,
            loss_scale: None,
            records: Records::default(),
            clock: None,
        }
    }

    /// Sets the learning rate of each step. Without this, it is the optimiser's own.
    #[doc(alias = "scheduler")]
    #[doc(alias = "lr")]
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
    #[doc(alias = "clip_grad_norm_")]
    pub fn clip_norm(self, max_norm: f64) -> Result<Self> {
        let max_norm = Some(check::positive("max_norm", max_norm)?);
        Ok(Trainer { max_norm, ..self })
    }

    /// Averages the parameters with this decay: a number, a [`Warmup`](crate::decay::Warmup), or a function of the
    /// step.
    ///
    /// # Errors
    /// As [`Ema::new`].
    #[doc(alias = "EMA")]
    #[doc(alias = "exponential moving average")]
    pub fn ema(self, decay: impl Decay + Send + Sync + 'static) -> Result<Self> {
        let ema = Some(Ema::new(&self.store, decay)?);
        Ok(Trainer { ema, ..self })
    }

    /// Trains the parameters of a group differently: with their own learning rate or weight decay, frozen, or
    /// sometimes unused. May be called several times.
    ///
    /// The effect of a group on steps becomes a [setting](Trainer::setting) of the run under the name `group`, a space
    /// and the pattern, so that a checkpoint of a run with other groups is refused unless that setting is changed. (The order of groups that
    /// overlap is not recorded: the last one holds.)
    ///
    /// # Errors
    /// [`Error::Range`] if no parameter of the store is in the group, or a setting is out of range; as
    /// [`StatefulOptimizer::group`].
    #[doc(alias = "param_groups")]
    pub fn group(mut self, group: ParameterGroup) -> Result<Self> {
        let parameters = self.store.parameters();
        group.check(parameters.iter().map(|(name, _)| name))?;
        if group.has_settings() {
            self.optimizer.group(&group)?;
        }
        let steps = group.to_string();
        if !steps.is_empty() {
            let setting = self.settings.entry(format!("group {}", group.pattern));
            setting
                .and_modify(|before| *before += &format!(", {steps}"))
                .or_insert(steps);
        }
        self.roles.declare(group);
        Ok(self)
    }

    /// Records a setting of the run, such as its seed or its batch size. It is stored in checkpoints, and
    /// [`Trainer::resume`] refuses checkpoints of a run with other settings.
    #[doc(alias = "hyperparameter")]
    pub fn setting(mut self, name: &str, value: impl Display) -> Self {
        self.settings.insert(name.to_string(), value.to_string());
        self
    }

    /// Returns the averaged parameters, if there are any, else the parameters themselves. Use them for sampling: their
    /// [`ParameterStore::frozen`] builds the twin that samples.
    #[doc(alias = "EMA")]
    pub fn averaged(&self) -> &ParameterStore {
        self.ema.as_ref().map_or(&self.store, Ema::parameters)
    }

    /// Returns the optimiser.
    pub fn optimizer(&self) -> &O {
        &self.optimizer
    }

    /// Returns the number of steps made.
    pub fn step(&self) -> usize {
        self.step
    }

    /// Returns the generator that [`Trainer::run`] passes to losses.
    pub fn rng(&mut self) -> &mut Generator {
        &mut self.rng
    }

    fn stopped(&self, reason: impl Display) -> Error {
        Error::stopped(self.place(), reason)
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

impl Trainer {
    /// Creates a run with [`AdamW`] at a learning rate, and at the defaults of [`AdamWConfig`] otherwise. Random numbers of the losses come of
    /// a generator from `key`.
    ///
    /// ```
    /// use advect_core::Key;
    /// use advect_nn::{Linear, ParameterStore};
    /// use advect_train::Trainer;
    /// use candle_core::{DType, Device};
    /// # fn main() -> advect_core::Result<()> {
    /// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
    /// let net = Linear::new(1, 1, &store.builder())?;
    /// let mut trainer = Trainer::adamw(&store, 0.01, Key::from_seed(1))?;
    /// trainer.run(300, |_, rng| {
    ///     let x = rng.normal((32, 1), DType::F64, &Device::Cpu)?;
    ///     Ok((net.forward(&x)? - 1.0)?.sqr()?.mean_all()?)
    /// }, &mut ())?;
    /// assert!((net.bias().to_vec1::<f64>()?[0] - 1.0).abs() < 0.05);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`AdamW::from_store`].
    pub fn adamw(store: &ParameterStore, learning_rate: f64, key: Key) -> Result<Self> {
        let config = AdamWConfig {
            learning_rate,
            ..AdamWConfig::default()
        };
        Ok(Trainer::new(
            store,
            AdamW::from_store(store, config)?,
            key.into(),
        ))
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
