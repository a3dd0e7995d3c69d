//! Saving and resuming a run.

use std::path::Path;

use advect_core::{Error, Result};
use advect_nn::State;

use super::records::Records;
use super::{StepReport, Trainer};
use crate::checkpoint::{AVERAGE, RECORDS};
use crate::{Checkpoint, StatefulOptimizer};

impl<O: StatefulOptimizer> Trainer<O> {
    /// Returns a copy of the whole state of the run, independent of later steps.
    ///
    /// # Errors
    /// Errors of candle.
    #[doc(alias = "state_dict")]
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        let mut checkpoint = self.shared()?;
        for state in checkpoint.parts.values_mut() {
            for tensor in state.values_mut() {
                *tensor = tensor.copy()?;
            }
        }
        Ok(checkpoint)
    }

    /// The state, whose tensors share storage with those of the run.
    fn shared(&self) -> Result<Checkpoint> {
        let mut checkpoint = Checkpoint::new(self.step, &self.rng);
        checkpoint.settings = self.settings.clone();
        for (part, stateful) in self.parts() {
            checkpoint.parts.insert(part.to_string(), stateful.state());
        }
        let records = self.records.state()?;
        if !records.is_empty() {
            checkpoint.parts.insert(RECORDS.to_string(), records);
        }
        Ok(checkpoint)
    }

    /// Writes the whole state of the run to a checkpoint, atomically.
    ///
    /// # Errors
    /// As [`Checkpoint::save`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.shared()?.save(path)
    }

    /// Restores the run from a checkpoint of the same kind of run. Nothing changes unless all parts fit.
    ///
    /// # Errors
    /// [`Error::File`] if the file can't be read, is damaged, or is of another network or version, of an
    /// optimiser that remembers other tensors, or of a run with other settings.
    #[doc(alias = "load_checkpoint")]
    #[doc(alias = "load_state_dict")]
    pub fn resume(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let checkpoint = Checkpoint::load(path, self.store.device())?;
        let other = |e: Error| Error::file(path, format!("it is from another run: {e}"));
        self.restore(&checkpoint).map_err(other)
    }

    /// Restores a state, as [`Trainer::resume`] does, from a checkpoint that has already been read and may have been
    /// changed. Where the run differs from the stored one, the change says how it continues.
    ///
    /// ```
    /// use advect_core::{Generator, Key, Result};
    /// use advect_nn::{Linear, ParameterStore};
    /// use advect_train::{AdamW, AdamWConfig, Trainer};
    /// use candle_core::{DType, Device, Tensor};
    /// # fn main() -> Result<()> {
    /// let run = |batch: usize| -> Result<Trainer> {
    ///     let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
    ///     Linear::new(1, 1, &store.builder())?;
    ///     let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
    ///     Ok(Trainer::new(&store, optimizer, Generator::from_seed(0)).setting("batch", batch))
    /// };
    /// let mut checkpoint = run(64)?.checkpoint()?;
    ///
    /// // A larger batch, and an average from here on.
    /// let mut trainer = run(128)?.ema(0.99)?;
    /// assert!(trainer.restore(&checkpoint).is_err());
    /// checkpoint.settings.insert("batch".into(), "128".into());
    /// trainer.restore(&checkpoint.start_average()?)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Range`] if a setting or a part differs, [`Error::NonFinite`] for NaN or an infinity.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.check_settings(checkpoint)?;
        checkpoint.check_finite()?;
        let parts = self.parts();
        let mut records = Records::default();
        for (name, state) in &checkpoint.parts {
            if name == RECORDS {
                records = Records::from_state(state)?;
                continue;
            }
            if !parts.iter().any(|(part, _)| part == name) {
                let accepted = match name.as_str() {
                    AVERAGE => {
                        "no average, as this run has none (Checkpoint::drop_average leaves it out),"
                    }
                    _ => "no part of this name",
                };
                let given = format!("a part \"{name}\" of {} tensors", state.len());
                return Err(Error::range("checkpoint", given, accepted));
            }
        }
        let states: Result<Vec<&State>> = (parts.iter())
            .map(|&(part, stateful)| {
                let Some(state) = checkpoint.parts.get(part) else {
                    let accepted = match part {
                        AVERAGE => {
                            "a part of this name (Checkpoint::start_average begins an average at the parameters)"
                        }
                        _ => "a part of this name",
                    };
                    let given = format!("no part \"{part}\"");
                    return Err(Error::range("checkpoint", given, accepted));
                };
                let misfit = |error: Error| {
                    let given = format!("a part \"{part}\" that does not fit ({error})");
                    Error::range("checkpoint", given, "a part that fits this run")
                };
                stateful.validate(state).map_err(misfit)?;
                Ok(state)
            })
            .collect();
        for ((_, stateful), state) in parts.iter().zip(states?) {
            stateful.restore(state)?;
        }
        self.step = checkpoint.step;
        self.roles.resume(self.step, self.store.parameters().len());
        self.report = StepReport::none(self.step);
        self.rng = checkpoint.generator.clone();
        self.records = records;
        Ok(())
    }

    /// Compares the settings of both runs.
    fn check_settings(&self, checkpoint: &Checkpoint) -> Result<()> {
        let names = self.settings.keys().chain(checkpoint.settings.keys());
        for name in names {
            let shown = |value: Option<&String>| match value {
                Some(value) => format!("{name} = {value}"),
                None => format!("no {name}"),
            };
            let (ours, theirs) = (self.settings.get(name), checkpoint.settings.get(name));
            if ours != theirs {
                let accepted = format!("{}, as in this run", shown(ours));
                return Err(Error::range("settings", shown(theirs), accepted));
            }
        }
        Ok(())
    }
}
