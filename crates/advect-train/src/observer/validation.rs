//! Validation on held-out data, and early stopping (Prechelt 1998).

use std::ops::ControlFlow;

use advect_core::{Error, Generator, Key, Observer, Result, check};
use candle_core::Tensor;

use crate::Trainer;
use crate::gradients::loss_value;
use crate::trainer::check_name;

/// An observer that evaluates a score (lower is better), and may stop the run when it no longer improves.
///
/// It [records](Trainer::record) the score under its name, and the best score so far under the name with `_best` at its end. Both
/// are parts of checkpoints, so that the count to an early stop goes on after a restart. A
/// [`MetricLog`](crate::observer::MetricLog) writes them, and
/// [`CheckpointFolder::best_of`](crate::CheckpointFolder::best_of) keeps the checkpoint with the best score.
///
/// Whether the score is that of the parameters or of their average is up to the closure. A generator from the same seed in
/// each evaluation makes scores comparable: [`Validation::of_loss`] has one.
///
/// ```
/// use advect_core::{Generator, Key};
/// use advect_nn::{Linear, ParameterStore};
/// use advect_train::observer::{Validation, every};
/// use advect_train::{AdamW, AdamWConfig, RunEnd, Trainer};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let net = Linear::new(1, 1, &store.builder())?;
/// let optimizer = AdamW::from_store(&store, AdamWConfig { learning_rate: 0.1, ..AdamWConfig::default() })?;
/// let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(0)).ema(0.9)?;
/// let averaged = Linear::new(1, 1, &trainer.averaged().frozen())?;
/// let error = |net: &Linear, rng: &mut Generator| -> advect_core::Result<Tensor> {
///     let x = rng.normal((64, 1), DType::F64, &Device::Cpu)?;
///     Ok((net.forward(&x)? - x.sin()?)?.sqr()?.mean_all()?)
/// };
/// let held_out = |_: &Trainer| Ok(error(&averaged, &mut Generator::from_seed(7))?.to_scalar()?);
/// let validation = Validation::new("validation", held_out)?.patience(50)?;
/// let end = trainer.run(10_000, |_, rng| error(&net, rng), &mut every(10, validation)?)?;
/// assert_eq!(end, RunEnd::Stopped);
/// let (best, _) = trainer.recorded("validation_best").unwrap();
/// assert_eq!(trainer.step(), best + 50);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "EarlyStopping")]
#[doc(alias = "early stopping")]
#[doc(alias = "evaluation")]
#[derive(Debug, Clone)]
pub struct Validation<F> {
    name: String,
    best: String,
    patience: Option<usize>,
    score: F,
}

impl Validation<()> {
    /// Creates an observer that evaluates a loss, a scalar tensor, with the same random numbers each time: those of a generator from `key`.
    /// Scores then differ by what was learned, not by chance.
    ///
    /// ```
    /// use advect_core::{Generator, Key, Result};
    /// use advect_nn::{Linear, ParameterStore};
    /// use advect_train::observer::{Validation, every};
    /// use advect_train::{AdamW, AdamWConfig, Trainer};
    /// use candle_core::{DType, Device, Tensor};
    /// # fn main() -> Result<()> {
    /// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
    /// let net = Linear::new(1, 1, &store.builder())?;
    /// let optimizer = AdamW::from_store(&store, AdamWConfig { learning_rate: 0.0, ..AdamWConfig::default() })?;
    /// let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(0));
    /// let loss = |rng: &mut Generator| -> Result<Tensor> {
    ///     let x = rng.normal((64, 1), DType::F64, &Device::Cpu)?;
    ///     Ok((net.forward(&x)? - x.sin()?)?.sqr()?.mean_all()?)
    /// };
    /// // Nothing is learned: the training's losses differ, the validation's don't.
    /// let mut validation = Validation::of_loss("validation", Key::from_seed(7), loss)?;
    /// trainer.run(1, |_, rng| loss(rng), &mut validation)?;
    /// let (first, score) = (trainer.report().loss, trainer.recorded("validation"));
    /// trainer.run(2, |_, rng| loss(rng), &mut validation)?;
    /// assert_ne!(trainer.report().loss, first);
    /// assert_eq!(trainer.recorded("validation"), score.map(|(_, score)| (2, score)));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Trainer::record`], for a name that can't be recorded. An evaluation is an error if the loss is no scalar.
    #[doc(alias = "validation loss")]
    pub fn of_loss<O>(
        name: &str,
        key: Key,
        mut loss: impl FnMut(&mut Generator) -> Result<Tensor>,
    ) -> Result<Validation<impl FnMut(&Trainer<O>) -> Result<f64>>> {
        let score = move |_: &Trainer<O>| loss_value(&loss(&mut Generator::from(key))?);
        Validation::new(name, score)
    }
}

impl<F> Validation<F> {
    /// Creates an observer that evaluates `score` at each step that it sees; see [`every`](crate::observer::every).
    ///
    /// # Errors
    /// As [`Trainer::record`], for a name that can't be recorded.
    pub fn new<O>(name: &str, score: F) -> Result<Self>
    where
        F: FnMut(&Trainer<O>) -> Result<f64>,
    {
        check_name(name)?;
        Ok(Validation {
            name: name.to_string(),
            best: format!("{name}_best"),
            patience: None,
            score,
        })
    }

    /// Stops the run when the best score is this number of steps old. A run that is started again after that goes on until it is evaluated next.
    ///
    /// # Errors
    /// [`Error::Range`] for 0 steps.
    pub fn patience(self, steps: usize) -> Result<Self> {
        let patience = Some(check::at_least_one("steps", steps)?);
        Ok(Validation { patience, ..self })
    }
}

impl<O, F: FnMut(&Trainer<O>) -> Result<f64>> Observer<Trainer<O>> for Validation<F> {
    /// # Errors
    /// Errors of the score; [`Error::Stopped`] if it is NaN or infinite.
    fn observe(&mut self, trainer: &Trainer<O>) -> Result<ControlFlow<()>> {
        let step = trainer.report().step;
        let score = (self.score)(trainer)?;
        if !score.is_finite() {
            let reason = format!("\"{}\" is {score}", self.name);
            return Err(Error::stopped(format!("step {step}"), reason));
        }
        trainer.record(&self.name, score)?;
        let best = match trainer.recorded(&self.best) {
            Some((best, before)) if before <= score => best,
            _ => {
                trainer.record(&self.best, score)?;
                step
            }
        };
        let is_over = self
            .patience
            .is_some_and(|patience| step - best.min(step) >= patience);
        Ok(match is_over {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        })
    }
}
