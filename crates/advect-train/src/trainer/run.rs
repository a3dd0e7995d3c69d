//! The training loop.

use advect_core::{Generator, Observer, Result};
use candle_core::Tensor;

use super::Trainer;
use super::clock::Clock;
use crate::{Gradients, StatefulOptimizer};

/// The way in which a [`Trainer::run`](crate::Trainer::run) ended.
///
/// ```
/// use advect_core::{Generator, Key, stop_when};
/// use advect_nn::{Linear, ParameterStore};
/// use advect_train::{AdamW, AdamWConfig, RunEnd, Trainer};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let net = Linear::new(1, 1, &store.builder())?;
/// let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
/// let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(0));
/// let x = Tensor::ones((1, 1), DType::F64, &Device::Cpu)?;
/// let loss = |_: usize, _: &mut Generator| Ok(net.forward(&x)?.sqr()?.sum_all()?);
/// let mut enough = stop_when(|trainer: &Trainer| trainer.step() == 3);
/// assert_eq!(trainer.run(10, loss, &mut enough)?, RunEnd::Stopped);
/// assert_eq!(trainer.step(), 3);
/// assert_eq!(trainer.run(10, loss, &mut ())?, RunEnd::Completed);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// All steps have been made.
    Completed,
    /// An observer stopped the run.
    Stopped,
}

impl<O: StatefulOptimizer> Trainer<O> {
    /// Makes steps until the run has made `until` steps in all, each on the loss of `loss(step, rng)`.
    /// `observer` sees each step, and may stop the run.
    ///
    /// # Errors
    /// Errors of `loss` and of the observer, and as [`Trainer::update`].
    #[doc(alias = "fit")]
    #[doc(alias = "train")]
    pub fn run(
        &mut self,
        until: usize,
        mut loss: impl FnMut(usize, &mut Generator) -> Result<Tensor>,
        observer: &mut dyn Observer<Trainer<O>>,
    ) -> Result<RunEnd> {
        let gradients = |trainer: &mut Self| {
            let loss = loss(trainer.step, &mut trainer.rng)?;
            trainer.gradients(&loss)
        };
        self.run_with(until, gradients, observer)
    }

    /// Makes steps as [`Trainer::run`] does, each with the gradients that `gradients(trainer)` returns: the gradients
    /// of a loss, accumulated over micro-batches, or averaged over machines.
    ///
    /// ```
    /// use advect_core::{Generator, Key, Result, observer_fn};
    /// use advect_nn::{Linear, ParameterStore};
    /// use advect_train::{AdamW, AdamWConfig, Gradients, RunEnd, Trainer};
    /// use candle_core::{DType, Device};
    /// # fn main() -> Result<()> {
    /// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
    /// let net = Linear::new(1, 1, &store.builder())?;
    /// let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
    /// let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(0));
    /// let mut losses = Vec::new();
    /// let mut observer = observer_fn(|trainer: &Trainer| losses.push(trainer.report().loss));
    /// let end = trainer.run_with(5, |trainer| Gradients::mean((0..4).map(|_| {
    ///     let x = trainer.rng().normal((32, 1), DType::F64, &Device::Cpu)?;
    ///     trainer.gradients(&(net.forward(&x)? - &x)?.sqr()?.mean_all()?)
    /// })), &mut observer)?;
    /// assert_eq!((losses.len(), end), (5, RunEnd::Completed));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Errors of `gradients` and of the observer, and as [`Trainer::apply`].
    #[doc(alias = "gradient accumulation")]
    #[doc(alias = "data parallel")]
    pub fn run_with(
        &mut self,
        until: usize,
        mut gradients: impl FnMut(&mut Self) -> Result<Gradients>,
        observer: &mut dyn Observer<Trainer<O>>,
    ) -> Result<RunEnd> {
        self.until = Some(until);
        self.clock = Some(Clock::starting_at(self.step));
        while self.step < until {
            let gradients = gradients(self)?;
            self.apply(gradients)?;
            if observer.observe(self)?.is_break() {
                return Ok(RunEnd::Stopped);
            }
        }
        Ok(RunEnd::Completed)
    }
}
