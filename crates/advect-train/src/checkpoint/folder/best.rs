//! The best checkpoint of a run.

use std::path::PathBuf;

use advect_core::{Error, Result, check};
use advect_nn::{ParameterStore, Weights};
use candle_core::Device;

use super::CheckpointFolder;
use crate::checkpoint::{AVERAGE, PARAMETERS};
use crate::{Checkpoint, StatefulOptimizer, Trainer};

impl CheckpointFolder {
    /// Saves a run as the best if its score is lower, hence better, than that of the best so far. The best stays the best after a restart.
    /// Returns whether it was saved.
    ///
    /// # Errors
    /// [`Error::Range`] for a score that is not finite; the errors of [`Trainer::save`].
    pub fn save_best<O: StatefulOptimizer>(
        &self,
        trainer: &Trainer<O>,
        score: f64,
    ) -> Result<bool> {
        check::finite_number("score", score)?;
        let before = self.files.bests()?;
        let best = before
            .iter()
            .map(|(other, _)| *other)
            .fold(f64::INFINITY, f64::min);
        if best <= score {
            // What a crash left.
            let worse = before.iter().filter(|(other, _)| *other > best);
            worse
                .into_iter()
                .try_for_each(|(_, path)| self.files.remove(path))?;
            return Ok(false);
        }
        trainer.save(self.files.of_best(trainer.step(), score))?;
        before
            .iter()
            .try_for_each(|(_, path)| self.files.remove(path))?;
        Ok(true)
    }

    /// Returns the score and the file of the best run so far.
    ///
    /// # Errors
    /// [`Error::File`] if the folder can't be read.
    pub fn best(&self) -> Result<Option<(f64, PathBuf)>> {
        let bests = self.files.bests()?;
        Ok(bests.into_iter().min_by(|a, b| a.0.total_cmp(&b.0)))
    }

    /// Loads the network of the best run so far into a store, the averaged one if the run had an average. Returns the
    /// score.
    ///
    /// # Errors
    /// [`Error::File`] if there is no best, or it does not fit; the errors of [`ParameterStore::load`].
    pub fn load_best(&self, store: &ParameterStore) -> Result<f64> {
        let Some((score, path)) = self.best()? else {
            let reason = "no checkpoint is here that was saved as the best, by `save_best` or by `best_of` in a run";
            return Err(Error::file(self.path(), reason));
        };
        let checkpoint = Checkpoint::load(&path, &Device::Cpu)?;
        let part = match checkpoint.parts.contains_key(AVERAGE) {
            true => AVERAGE,
            false => PARAMETERS,
        };
        // An average of parameters of 16 bits is in f32.
        store.load(Weights::new(path).within(part).cast(store.dtype()))?;
        Ok(score)
    }
}
