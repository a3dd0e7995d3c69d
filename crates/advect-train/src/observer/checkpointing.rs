//! Checkpoints during a run.

use std::ops::ControlFlow;
use std::path::PathBuf;

use advect_core::{Observer, Result, check};

use crate::{StatefulOptimizer, Trainer};

/// An observer that saves the run after every n-th step and at the end of [`Trainer::run`], each time to the same file. If another
/// observer stops the run, save it yourself.
///
/// The file is written as by [`Trainer::save`], atomically: a crash leaves the previous checkpoint.
///
/// ```
/// use advect_core::{Generator, Key};
/// use advect_nn::{Linear, ParameterStore};
/// use advect_train::observer::Checkpointing;
/// use advect_train::{AdamW, AdamWConfig, Checkpoint, Trainer};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let net = Linear::new(1, 1, &store.builder())?;
/// let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
/// let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(0));
/// let path = std::env::temp_dir().join(format!("advect-doc-{}.run", std::process::id()));
/// let x = Tensor::ones((1, 1), DType::F64, &Device::Cpu)?;
/// let loss = |_: usize, _: &mut Generator| Ok(net.forward(&x)?.sqr()?.sum_all()?);
/// trainer.run(25, loss, &mut Checkpointing::every(10, &path)?)?;
/// assert_eq!(Checkpoint::load(&path, &Device::Cpu)?.step, 25);
/// # std::fs::remove_file(path).unwrap();
/// # Ok(())
/// # }
/// ```
#[doc(alias = "ModelCheckpoint")]
#[derive(Debug, Clone)]
pub struct Checkpointing {
    steps: usize,
    path: PathBuf,
}

impl Checkpointing {
    /// Creates an observer that saves to a file after every `steps` steps.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for 0 steps.
    pub fn every(steps: usize, path: impl Into<PathBuf>) -> Result<Self> {
        Ok(Checkpointing {
            steps: check::at_least_one("steps", steps)?,
            path: path.into(),
        })
    }
}

impl<O: StatefulOptimizer> Observer<Trainer<O>> for Checkpointing {
    fn observe(&mut self, trainer: &Trainer<O>) -> Result<ControlFlow<()>> {
        let step = trainer.step();
        if step.is_multiple_of(self.steps) || trainer.until() == Some(step) {
            trainer.save(&self.path)?;
        }
        Ok(ControlFlow::Continue(()))
    }
}
