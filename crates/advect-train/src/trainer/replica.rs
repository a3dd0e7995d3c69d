//! The role of a trainer among several of the same run, each with a part of the batch.

use std::collections::BTreeMap;

use advect_core::{Generator, Key};
use candle_core::Var;

use super::records::Records;
use super::step::named_in;
use super::{StepReport, Trainer};
use crate::StatefulOptimizer;
use crate::checkpoint::AVERAGE;

impl<O: StatefulOptimizer> Trainer<O> {
    /// What must be the same for all, by name: the settings, the tensors, clipping, the response to numbers that are not
    /// finite, the scale of losses, and learning rates up to a million steps.
    pub(crate) fn description(&self) -> BTreeMap<String, String> {
        let mut entries = self.settings.clone();
        entries.insert("advect".into(), env!("CARGO_PKG_VERSION").into());
        for (name, var) in self.replicated() {
            entries.insert(name, format!("{:?} {:?}", var.dtype(), var.dims()));
        }
        let some = |value: Option<f64>| value.map_or("none".to_string(), |value| value.to_string());
        entries.insert("clip_norm".into(), some(self.max_norm));
        entries.insert("ema".into(), self.ema.is_some().to_string());
        entries.insert("non_finite".into(), format!("{:?}", self.non_finite));
        let scale = self.loss_scale.map_or("none".to_string(), |scale| {
            format!("initial {}, interval {}", scale.initial, scale.interval)
        });
        entries.insert("loss_scale".into(), scale);
        let own = self.optimizer.learning_rate();
        for step in [0, 1, 10, 100, 1_000, 10_000, 100_000, 1_000_000] {
            let rate = self.rate.as_ref().map_or(own, |rate| rate.at(step));
            entries.insert(format!("learning rate of step {step}"), rate.to_string());
        }
        entries
    }

    /// The tensors that all have: those of the parameters and the optimiser.
    pub(crate) fn replicated(&self) -> Vec<(String, Var)> {
        let parts = self.parts().into_iter();
        let shared = parts.filter(|(part, _)| *part != AVERAGE);
        shared
            .flat_map(|(part, stateful)| named_in(part, stateful))
            .collect()
    }

    /// The step, the generator and the records, in lines.
    pub(crate) fn progress(&self) -> String {
        let (key, position) = (self.rng.key().to_hex(), self.rng.position());
        let records = self.records.lines();
        format!("{}\n{key}\n{position}\n{records}", self.step)
    }

    /// Goes to the [progress](Trainer::progress) of another. `None` if it can't be read.
    pub(crate) fn set_progress(&mut self, progress: &str) -> Option<()> {
        let mut lines = progress.lines();
        let (step, key, position) = (lines.next()?, lines.next()?, lines.next()?);
        let key = Key::from_hex(key).ok()?;
        (self.step, self.rng) = (
            step.parse().ok()?,
            Generator::resume(key, position.parse().ok()?),
        );
        self.records = Records::from_lines(lines)?;
        self.roles.resume(self.step, self.store.parameters().len());
        self.report = StepReport::none(self.step);
        Some(())
    }

    /// Leaves the average to another.
    pub(crate) fn drop_average(&mut self) {
        self.ema = None;
    }

    /// Whether this one has the average.
    pub(crate) fn has_average(&self) -> bool {
        self.ema.is_some()
    }
}
