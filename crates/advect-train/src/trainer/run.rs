//! The training loop.

use advect_core::{Error, Generator, Observer, Result};
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
    /// A step that finds the device's memory full can be made again with a smaller batch:
    ///
    /// ```
    /// use advect_core::{Error, Generator, Key, Result};
    /// use advect_nn::{Linear, ParameterStore};
    /// use advect_train::Trainer;
    /// use candle_core::{DType, Device, Tensor};
    /// # fn main() -> Result<()> {
    /// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
    /// let net = Linear::new(1, 1, &store.builder())?;
    /// let mut trainer = Trainer::adamw(&store, 0.01, Key::from_seed(1))?;
    /// let loss = |batch: usize, rng: &mut Generator| -> Result<Tensor> {
    ///     let x = rng.normal((batch, 1), DType::F64, &Device::Cpu)?;
    ///     # if batch > 64 {
    ///     #     let source = candle_core::Error::msg("no GPU is here");
    ///     #     return Err(Error::device_memory(source));
    ///     # }
    ///     Ok(net.forward(&x)?.sqr()?.mean_all()?)
    /// };
    /// let mut batch = 256;
    /// while trainer.step() < 3 {
    ///     match trainer.run(3, |_, rng| loss(batch, rng), &mut ()) {
    ///         Err(Error::DeviceMemory { .. }) if batch > 1 => batch /= 2,
    ///         end => drop(end?),
    ///     }
    /// }
    /// assert_eq!((batch, trainer.step()), (64, 3));
    /// # // The steps that failed drew nothing.
    /// # let mut drawn = Generator::from(Key::from_seed(1));
    /// # for _ in 0..3 {
    /// #     drawn.normal((64, 1), DType::F64, &Device::Cpu)?;
    /// # }
    /// # assert_eq!(trainer.rng(), &drawn);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Errors of `loss` and of the observer, and as [`Trainer::update`]. After an [`Error::DeviceMemory`] the generator, too, is as it was
    /// before the step.
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
    /// Errors of `gradients` and of the observer, and as [`Trainer::apply`]; for [`Error::DeviceMemory`] as [`Trainer::run`].
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
            let rng = self.rng.clone();
            let step = gradients(self).and_then(|gradients| self.apply(gradients));
            if let Err(error) = step {
                if matches!(error, Error::DeviceMemory { .. }) {
                    // The step is made again, with less.
                    self.rng = rng;
                }
                return Err(error);
            }
            if observer.observe(self)?.is_break() {
                return Ok(RunEnd::Stopped);
            }
        }
        Ok(RunEnd::Completed)
    }
}
