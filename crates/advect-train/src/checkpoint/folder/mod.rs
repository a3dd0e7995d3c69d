//! Folders of checkpoints.

mod after;
mod best;
mod files;

use std::fs::{self, File, TryLockError};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use advect_core::{Error, Observer, Result, check, file};

use crate::checkpoint::Fault;
use crate::locked::Locked;
use crate::{Checkpoint, StatefulOptimizer, Trainer};
pub use after::After;
use files::Files;

/// A function that is told the errors of saving.
type Response = Box<dyn Fn(&Error) + Send + Sync>;

/// A folder with the last checkpoints of a run, and its best.
///
/// A checkpoint is written atomically, and older ones are removed only after that, so that a whole one is left whatever happens. A run
/// [resumes](CheckpointFolder::resume) from the newest that is whole. While the folder is open, no other process can open it; a process that dies gives it
/// up.
///
/// As an observer, it saves the run every few steps and at its end.
///
/// ```
/// use advect_core::{Generator, Key};
/// use advect_nn::{Linear, ParameterStore};
/// use advect_train::{AdamW, AdamWConfig, CheckpointFolder, Trainer};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let net = Linear::new(1, 1, &store.builder())?;
/// let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
/// let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(0));
/// # let place = std::env::temp_dir().join(format!("advect-doc-folder-{}", std::process::id()));
/// let mut folder = CheckpointFolder::open(&place)?.every(10)?.keeping(2)?;
/// let resumed = folder.resume(&mut trainer)?; // nothing, the first time
/// assert!(resumed.path.is_none() && resumed.damaged.is_empty());
/// let x = Tensor::ones((1, 1), DType::F64, &Device::Cpu)?;
/// let loss = |_: usize, _: &mut Generator| Ok(net.forward(&x)?.sqr()?.sum_all()?);
/// trainer.run(35, loss, &mut folder)?;
/// assert_eq!(folder.steps()?, [30, 35]);
/// assert!(folder.save_best(&trainer, 0.25)? && !folder.save_best(&trainer, 0.5)?);
/// # std::fs::remove_dir_all(place).unwrap();
/// # Ok(())
/// # }
/// ```
#[doc(alias = "ModelCheckpoint")]
#[doc(alias = "CheckpointManager")]
#[doc(alias = "save_top_k")]
pub struct CheckpointFolder {
    files: Files,
    every: Option<usize>,
    kept: usize,
    /// The name of the record whose best is kept.
    scored: Option<String>,
    on_failure: Option<Response>,
    /// Held as long as the folder is open.
    _lock: Locked,
}

/// The result of resuming a run from a [`CheckpointFolder`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Resumed {
    /// The checkpoint from which the run continues, if there was one.
    pub path: Option<PathBuf>,
    /// The errors of newer checkpoints that are damaged. Their files are set aside, with `.damaged` at the end of their names.
    pub damaged: Vec<Error>,
}

impl CheckpointFolder {
    /// Opens a folder, which is created if it does not exist, and locks it. The last three checkpoints are kept.
    ///
    /// # Errors
    /// [`Error::File`] if the folder can't be created or written to, and while another process, or another value in this one, has it open.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        fs::create_dir_all(&path).map_err(|e| Error::file(&path, e))?;
        let place = path.join("lock");
        let options = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&place);
        let lock = options.map_err(|e| Error::file(&place, e))?;
        match lock.try_lock() {
            Ok(()) => {
                let files = Files::new(path);
                files.remove_partial()?;
                Ok(CheckpointFolder {
                    files,
                    every: None,
                    kept: 3,
                    scored: None,
                    on_failure: None,
                    _lock: Locked(lock),
                })
            }
            Err(TryLockError::WouldBlock) => {
                let reason = "another run has this folder open: end it, or take another folder";
                Err(Error::file(path, reason))
            }
            Err(TryLockError::Error(e)) => Err(Error::file(place, e)),
        }
    }

    /// Opens a folder for a new run: creates it, or [empties](CheckpointFolder::emptied) it of the checkpoints of earlier runs.
    ///
    /// # Errors
    /// As [`CheckpointFolder::open`] and [`CheckpointFolder::emptied`].
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        CheckpointFolder::open(path)?.emptied()
    }

    /// Saves every `steps` steps, where the folder observes a run.
    ///
    /// # Errors
    /// [`Error::Range`] for 0 steps.
    pub fn every(self, steps: usize) -> Result<Self> {
        let every = Some(check::at_least_one("steps", steps)?);
        Ok(CheckpointFolder { every, ..self })
    }

    /// Sets the number of checkpoints that are kept, besides the best.
    ///
    /// # Errors
    /// [`Error::Range`] for 0.
    pub fn keeping(self, count: usize) -> Result<Self> {
        let kept = check::at_least_one("count", count)?;
        Ok(CheckpointFolder { kept, ..self })
    }

    /// Keeps the checkpoint with the lowest value of a record as the best, where the folder observes a run: among all steps at which a number
    /// was [recorded](Trainer::record) under this name, as a [`Validation`](crate::observer::Validation) does.
    pub fn best_of(self, name: &str) -> Self {
        let scored = Some(name.to_string());
        CheckpointFolder { scored, ..self }
    }

    /// Lets a run go on when it can't be saved, as on a full disk, where the folder observes the run: `f` receives the error, and the next save
    /// is tried when it is due. At the end of a run a failure is an error all the same. Without this, it always is.
    pub fn on_failure(self, f: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        let on_failure: Option<Response> = Some(Box::new(f));
        CheckpointFolder { on_failure, ..self }
    }

    /// Removes all checkpoints of earlier runs, the best among them, so that a run begins anew.
    ///
    /// # Errors
    /// [`Error::File`] if the folder can't be read or a file not removed.
    pub fn emptied(self) -> Result<Self> {
        for step in self.files.steps()? {
            self.files.remove(&self.files.of_step(step))?;
        }
        let bests = self.files.bests()?;
        bests
            .iter()
            .try_for_each(|(_, path)| self.files.remove(path))?;
        Ok(self)
    }

    /// Returns the path of the folder.
    pub fn path(&self) -> &Path {
        self.files.folder()
    }

    /// Returns the steps of the checkpoints in the folder, from the first to the last.
    ///
    /// # Errors
    /// [`Error::File`] if the folder can't be read.
    pub fn steps(&self) -> Result<Vec<usize>> {
        self.files.steps()
    }

    /// Saves a run, and removes earlier checkpoints beyond the number to keep. Returns the new file.
    ///
    /// # Errors
    /// [`Error::File`] if there is a checkpoint of a later step, which a run has to go on from; the errors of [`Trainer::save`].
    pub fn save<O: StatefulOptimizer>(&self, trainer: &Trainer<O>) -> Result<PathBuf> {
        let step = trainer.step();
        let steps = self.steps()?;
        if let Some(later) = steps.last().filter(|last| **last > step) {
            let reason = format!(
                "a checkpoint of step {later} is here, and the run is at step {step}: resume from it, or take another folder"
            );
            return Err(Error::file(self.path(), reason));
        }
        let path = self.files.of_step(step);
        trainer.save(&path)?;
        let before: Vec<usize> = steps.into_iter().filter(|other| *other != step).collect();
        let removed = (before.len() + 1).saturating_sub(self.kept);
        for step in &before[..removed] {
            self.files.remove(&self.files.of_step(*step))?;
        }
        Ok(path)
    }

    /// Restores the newest checkpoint that is intact. Without one, the run stays unchanged. Damaged files are set aside; a file that can't be
    /// read, is of another version, or does not fit on the device, is an error, and stays.
    ///
    /// # Errors
    /// [`Error::File`] for such a file and for a checkpoint of another run, as [`Trainer::resume`], and if the folder can't be read or written to.
    pub fn resume<O: StatefulOptimizer>(&self, trainer: &mut Trainer<O>) -> Result<Resumed> {
        let mut damaged = Vec::new();
        for step in self.steps()?.into_iter().rev() {
            let path = self.files.of_step(step);
            match Checkpoint::decode(&path, &file::read(&path)?, trainer.device()) {
                Ok(checkpoint) => {
                    let other =
                        |e: Error| Error::file(&path, format!("it is from another run: {e}"));
                    trainer.restore(&checkpoint).map_err(other)?;
                    let path = Some(path);
                    return Ok(Resumed { path, damaged });
                }
                Err(Fault::Other(error)) => return Err(error),
                Err(Fault::Damaged(error)) => {
                    let mut aside = path.clone().into_os_string();
                    aside.push(".damaged");
                    fs::rename(&path, aside).map_err(|e| Error::file(&path, e))?;
                    damaged.push(error);
                }
            }
        }
        Ok(Resumed {
            path: None,
            damaged,
        })
    }

    /// Saves a run that is observed, if that is due.
    fn keep<O: StatefulOptimizer>(&self, trainer: &Trainer<O>, is_stopped: bool) -> Result<()> {
        let step = trainer.step();
        let is_last = is_stopped || trainer.until() == Some(step);
        let is_due = self.every.is_some_and(|every| step.is_multiple_of(every));
        let score = self.scored.as_ref().and_then(|name| trainer.recorded(name));
        // A best that can't be saved does not keep the run from being saved.
        let saved = || {
            let best = match score {
                Some((at, score)) if at == step => self.save_best(trainer, score).map(drop),
                _ => Ok(()),
            };
            let last = match is_last || is_due {
                true => self.save(trainer).map(drop),
                false => Ok(()),
            };
            best.and(last)
        };
        match (saved(), &self.on_failure) {
            (Err(error), Some(tell)) if !is_last => {
                tell(&error);
                Ok(())
            }
            (saved, _) => saved,
        }
    }
}

impl<O: StatefulOptimizer> Observer<Trainer<O>> for CheckpointFolder {
    fn observe(&mut self, trainer: &Trainer<O>) -> Result<ControlFlow<()>> {
        self.keep(trainer, false)?;
        Ok(ControlFlow::Continue(()))
    }
}

impl std::fmt::Debug for CheckpointFolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CheckpointFolder")
            .field("path", &self.path())
            .field("every", &self.every)
            .field("kept", &self.kept)
            .field("scored", &self.scored)
            .finish_non_exhaustive()
    }
}
