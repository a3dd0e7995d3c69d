//! Observers of every n-th step.

use std::ops::ControlFlow;

use advect_core::{Observer, Result, check};

use crate::Trainer;

/// An observer that passes every n-th step and the last one to another observer: see [`every`].
#[derive(Debug, Clone)]
pub struct Every<I> {
    steps: usize,
    observer: I,
}

/// Creates an observer that passes every `steps`-th step and the last step of [`Trainer::run`] to another one: to draw
/// samples, to validate, to log.
///
/// ```
/// use advect_core::{Generator, Key, observer_fn};
/// use advect_nn::{Linear, ParameterStore};
/// use advect_train::observer::every;
/// use advect_train::{AdamW, AdamWConfig, Trainer};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let net = Linear::new(1, 1, &store.builder())?;
/// let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
/// let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(0));
/// let x = Tensor::ones((1, 1), DType::F64, &Device::Cpu)?;
/// let loss = |_: usize, _: &mut Generator| Ok(net.forward(&x)?.sqr()?.sum_all()?);
/// let mut seen = Vec::new();
/// let look = observer_fn(|trainer: &Trainer| seen.push(trainer.step()));
/// trainer.run(25, loss, &mut every(10, look)?)?;
/// assert_eq!(seen, [10, 20, 25]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Range`](advect_core::Error::Range) for 0 steps.
pub fn every<I>(steps: usize, observer: I) -> Result<Every<I>> {
    Ok(Every {
        steps: check::at_least_one("steps", steps)?,
        observer,
    })
}

impl<O, I: Observer<Trainer<O>>> Observer<Trainer<O>> for Every<I> {
    fn observe(&mut self, trainer: &Trainer<O>) -> Result<ControlFlow<()>> {
        let step = trainer.report().step;
        match step.is_multiple_of(self.steps) || trainer.until() == Some(step) {
            true => self.observer.observe(trainer),
            false => Ok(ControlFlow::Continue(())),
        }
    }
}
