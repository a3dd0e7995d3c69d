//! The training loop.

use std::path::Path;

use advect_core::{Error, Generator, Result, check};
use advect_models::{ParameterStore, State, Stateful};
use candle_core::{DType, Tensor};
use candle_nn::Optimizer;

use crate::clip::{gradient_norm, scale_gradients};
use crate::learning_rate::LearningRate;
use crate::observer::Observer;
use crate::{AdamW, Checkpoint, Ema};

/// What a training step did.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct StepReport {
    /// The number of steps made, this one included.
    pub step: usize,
    /// The loss before the step.
    pub loss: f64,
    /// The global norm of the gradient, before clipping.
    pub gradient_norm: f64,
    /// The learning rate of the step.
    pub learning_rate: f64,
}

/// A training run: parameters, an optimiser, a generator, the count of steps, and, if asked for,
/// clipping, a learning-rate schedule and an average.
///
/// [`Trainer::update`] makes one step from a loss, for loops of one's own; [`Trainer::run`] is the loop.
/// [`Trainer::save`] and [`Trainer::resume`] store and restore all of its state: a run that stops and
/// resumes has the same bits as one that never stopped, as long as its losses depend on nothing but the
/// step and the generator.
///
/// ```
/// use advect_core::{Generator, Key};
/// use advect_models::{Linear, ParameterStore};
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
}

impl<O: Optimizer + Stateful> Trainer<O> {
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

    /// Averages the parameters with this decay.
    ///
    /// # Errors
    /// [`Error::Range`] unless it is in [0, 1).
    pub fn ema(self, decay: f64) -> Result<Self> {
        let ema = Some(Ema::new(&self.store, decay)?);
        Ok(Trainer { ema, ..self })
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
    /// [`Error::Shape`] unless the loss is a scalar; [`Error::Stopped`] if the loss, its gradient or the
    /// learning rate is NaN or infinite, or if no parameter has a gradient: the parameters are then those
    /// of before the step.
    pub fn update(&mut self, loss: &Tensor) -> Result<StepReport> {
        if loss.rank() != 0 {
            return Err(Error::shape("loss", loss.dims(), "a scalar"));
        }
        let value = loss.to_dtype(DType::F64)?.to_scalar::<f64>()?;
        let stopped = |reason: String| Error::stopped(format!("step {}", self.step), reason);
        if !value.is_finite() {
            return Err(stopped(format!("the loss is {value}")));
        }
        let mut grads = loss.backward()?;
        let vars = self.store.vars();
        let rate =
            (self.rate.as_ref()).map_or(self.optimizer.learning_rate(), |rate| rate.at(self.step));
        if !(rate >= 0.0 && rate.is_finite()) {
            return Err(stopped(format!("the learning rate is {rate}")));
        }
        if !vars.iter().any(|var| grads.get(var).is_some()) {
            return Err(stopped("the loss depends on no parameter".to_string()));
        }
        let norm = gradient_norm(&grads, &vars)?;
        if !norm.is_finite() {
            return Err(stopped(format!("the gradient's norm is {norm}")));
        }
        if let Some(max_norm) = self.max_norm.filter(|&max_norm| norm > max_norm) {
            scale_gradients(&mut grads, &vars, max_norm / norm)?;
        }
        self.optimizer.set_learning_rate(rate);
        self.optimizer.step(&grads)?;
        if let Some(ema) = &self.ema {
            ema.update()?;
        }
        self.step += 1;
        Ok(StepReport {
            step: self.step,
            loss: value,
            gradient_norm: norm,
            learning_rate: rate,
        })
    }

    /// Makes steps until `until` are made in all, each on the loss of `loss(step, rng)`, and tells
    /// `observer` of each.
    ///
    /// # Errors
    /// Those of `loss`, and as [`Trainer::update`].
    pub fn run(
        &mut self,
        until: usize,
        mut loss: impl FnMut(usize, &mut Generator) -> Result<Tensor>,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        while self.step < until {
            let loss = loss(self.step, &mut self.rng)?;
            observer.observe(&self.update(&loss)?);
        }
        Ok(())
    }

    /// Writes the whole state of the run to a checkpoint, atomically.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let mut checkpoint = Checkpoint::new(self.step, &self.rng);
        for (part, stateful) in self.parts() {
            checkpoint.parts.insert(part.to_string(), stateful.state());
        }
        checkpoint.save(path)
    }

    /// Takes over the state of a checkpoint of the same kind of run. Nothing changes unless all fits.
    ///
    /// # Errors
    /// [`Error::File`] if the file can't be read, is damaged, or is of another network, optimiser or
    /// version.
    pub fn resume(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let checkpoint = Checkpoint::load(path, self.store.device())?;
        let state = |part: &str| -> Result<&State> {
            let missing = || Error::file(path, format!("it holds no part \"{part}\""));
            checkpoint.parts.get(part).ok_or_else(missing)
        };
        let parts = self.parts();
        let known = |name: &String| parts.iter().any(|(part, _)| part == name);
        if let Some(part) = checkpoint.parts.keys().find(|name| !known(name)) {
            return Err(Error::file(
                path,
                format!("it holds a part \"{part}\" that this run has not"),
            ));
        }
        for (part, stateful) in &parts {
            let other = |e: Error| Error::file(path, format!("it is of another run: {part}: {e}"));
            stateful.validate(state(part)?).map_err(other)?;
        }
        for (part, stateful) in &parts {
            stateful.restore(state(part)?)?;
        }
        self.step = checkpoint.step;
        self.rng = checkpoint.generator;
        Ok(())
    }

    /// Everything that a checkpoint holds, by name.
    fn parts(&self) -> Vec<(&'static str, &dyn Stateful)> {
        let mut parts: Vec<(&'static str, &dyn Stateful)> =
            vec![("parameters", &self.store), ("optimizer", &self.optimizer)];
        if let Some(ema) = &self.ema {
            parts.push(("ema", ema));
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
