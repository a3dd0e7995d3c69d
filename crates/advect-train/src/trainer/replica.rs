//! A trainer as one of several that make the same run, each with a part of the batch.

use std::collections::BTreeMap;

use advect_core::Generator;
use candle_core::Var;

use super::Trainer;
use crate::StatefulOptimizer;
use crate::checkpoint::AVERAGE;

impl<O: StatefulOptimizer> Trainer<O> {
    /// What must be the same for all, by name: the settings, the tensors, clipping, and learning rates up to a million steps.
    pub(crate) fn description(&self) -> BTreeMap<String, String> {
        let mut entries = self.settings.clone();
        entries.insert("advect".into(), env!("CARGO_PKG_VERSION").into());
        for (name, var) in self.replicated() {
            entries.insert(name, format!("{:?} {:?}", var.dtype(), var.dims()));
        }
        let some = |value: Option<f64>| value.map_or("none".to_string(), |value| value.to_string());
        entries.insert("clip_norm".into(), some(self.max_norm));
        entries.insert("ema".into(), self.ema.is_some().to_string());
        let own = self.optimizer.learning_rate();
        for step in [0, 1, 10, 100, 1_000, 10_000, 100_000, 1_000_000] {
            let rate = self.rate.as_ref().map_or(own, |rate| rate.at(step));
            entries.insert(format!("learning rate of step {step}"), rate.to_string());
        }
        entries
    }

    /// The tensors that all have: those of the parameters and the optimiser.
    pub(crate) fn replicated(&self) -> Vec<(String, Var)> {
        let mut variables = Vec::new();
        for (part, stateful) in self.parts() {
            if part != AVERAGE {
                let named = stateful.variables().into_iter();
                variables.extend(named.map(|(name, var)| (format!("{part}/{name}"), var)));
            }
        }
        variables
    }

    /// Goes to the step and the generator of another.
    pub(crate) fn set_progress(&mut self, step: usize, rng: Generator) {
        self.step = step;
        self.rng = rng;
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
