//! Epochs: the size of a batch, and the number of batches in a pass over the data.

use advect_core::{Result, check};

use super::Trainer;
use crate::StatefulOptimizer;

/// The size of batches, and their number in an epoch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Epochs {
    size: usize,
    batches: usize,
}

impl Epochs {
    pub(super) fn size(&self) -> usize {
        self.size
    }
}

impl<O: StatefulOptimizer> Trainer<O> {
    /// Sets the size of a batch and the number of batches in an epoch, a pass over the data. Errors then name the epoch and the
    /// batch, speeds are in samples, and runs can be [`epochs`](Trainer::epochs) long.
    ///
    /// Both become [settings](Trainer::setting) of the run, `batch size` and `batches in an epoch`: a run that goes on with others
    /// would see other data.
    ///
    /// ```
    /// use advect_core::{Generator, Key};
    /// use advect_nn::{Linear, ParameterStore};
    /// use advect_train::{AdamW, AdamWConfig, Trainer};
    /// use candle_core::{DType, Device};
    /// # fn main() -> advect_core::Result<()> {
    /// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
    /// let net = Linear::new(1, 1, &store.builder())?;
    /// let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
    /// let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(0)).batches(32, 4)?;
    /// let loss = |step: usize, rng: &mut Generator| {
    ///     let x = rng.normal((32, 1), DType::F64, &Device::Cpu)?;
    ///     let factor = if step == 9 { f64::NAN } else { 1.0 };
    ///     Ok((net.forward(&x)?.sqr()?.mean_all()? * factor)?)
    /// };
    /// let error = trainer.run(trainer.epochs(3), loss, &mut ()).unwrap_err();
    /// assert_eq!(error.to_string(), "stopped at step 9 (epoch 2, batch 1 of 4): the loss is NaN");
    /// assert_eq!((trainer.epoch(), trainer.epochs(3)), (Some(2), 12));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for 0.
    pub fn batches(self, size: usize, per_epoch: usize) -> Result<Self> {
        let epochs = Some(Epochs {
            size: check::at_least_one("size", size)?,
            batches: check::at_least_one("per_epoch", per_epoch)?,
        });
        let trainer = Trainer { epochs, ..self };
        Ok(trainer
            .setting("batch size", size)
            .setting("batches in an epoch", per_epoch))
    }
}

impl<O> Trainer<O> {
    /// Returns the number of steps in a number of epochs, as an argument for [`Trainer::run`]. Without
    /// [`Trainer::batches`], an epoch is a step.
    pub fn epochs(&self, count: usize) -> usize {
        count.saturating_mul(self.epochs.map_or(1, |epochs| epochs.batches))
    }

    /// Returns the number of complete epochs. `None` without [`Trainer::batches`].
    pub fn epoch(&self) -> Option<usize> {
        Some(self.step / self.epochs?.batches)
    }

    /// The step that is made next, with its epoch and batch, all counted from 0.
    pub(super) fn place(&self) -> String {
        let step = self.step;
        match self.epochs {
            Some(Epochs { batches, .. }) => {
                let (epoch, batch) = (step / batches, step % batches);
                format!("step {step} (epoch {epoch}, batch {batch} of {batches})")
            }
            None => format!("step {step}"),
        }
    }
}
