//! A folder that saves after other observers have seen the step.

use std::borrow::Borrow;
use std::ops::ControlFlow;

use advect_core::{Observer, Result};

use crate::{CheckpointFolder, StatefulOptimizer, Trainer};

/// An observer that passes each step to other observers, and then saves the run in a folder: see
/// [`CheckpointFolder::after`].
#[derive(Debug)]
pub struct After<F, I> {
    folder: F,
    observers: I,
}

impl CheckpointFolder {
    /// Returns an observer that passes each step to `observers` first. Then it saves the run if that is due, if this is the last step,
    /// or if one of the observers stops the run.
    ///
    /// Their records and logs of a step are thereby part of the step's checkpoint, or on disk before it.
    ///
    /// ```
    /// use advect_core::{Generator, Key, stop_when};
    /// use advect_nn::{Linear, ParameterStore};
    /// use advect_train::{AdamW, AdamWConfig, CheckpointFolder, Trainer};
    /// use candle_core::{DType, Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
    /// let net = Linear::new(1, 1, &store.builder())?;
    /// let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
    /// let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(0));
    /// # let place = std::env::temp_dir().join(format!("advect-doc-after-{}", std::process::id()));
    /// let folder = CheckpointFolder::open(&place)?.every(10)?;
    /// let x = Tensor::ones((1, 1), DType::F64, &Device::Cpu)?;
    /// let loss = |_: usize, _: &mut Generator| Ok(net.forward(&x)?.sqr()?.sum_all()?);
    /// let enough = stop_when(|trainer: &Trainer| trainer.step() == 13);
    /// trainer.run(100, loss, &mut folder.after(enough))?;
    /// assert_eq!(folder.steps()?, [10, 13]);
    /// # std::fs::remove_dir_all(place).unwrap();
    /// # Ok(())
    /// # }
    /// ```
    pub fn after<I>(&self, observers: I) -> After<&Self, I> {
        After {
            folder: self,
            observers,
        }
    }
}

impl<O, F, I> Observer<Trainer<O>> for After<F, I>
where
    O: StatefulOptimizer,
    F: Borrow<CheckpointFolder>,
    I: Observer<Trainer<O>>,
{
    fn observe(&mut self, trainer: &Trainer<O>) -> Result<ControlFlow<()>> {
        let verdict = self.observers.observe(trainer)?;
        self.folder.borrow().keep(trainer, verdict.is_break())?;
        Ok(verdict)
    }
}
