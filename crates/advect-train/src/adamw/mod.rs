//! AdamW (Loshchilov and Hutter 2019, algorithm 2), as in PyTorch.

mod config;
mod parameter;

use std::sync::atomic::{AtomicBool, Ordering};

use advect_core::{Error, Result};
use advect_nn::{ParameterStore, Stateful};
use advect_ops::update;
use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use candle_nn::Optimizer;

use crate::StatefulOptimizer;
pub use config::AdamWConfig;
use parameter::{Parameter, Update};

/// AdamW: at a parameter's k-th step with a gradient g,
/// `θ ← (1 − ηλ) θ`, `m ← β₁ m + (1 − β₁) g`, `v ← β₂ v + (1 − β₂) g²`,
/// `θ ← θ − η (m / (1 − β₁ᵏ)) / (√(v / (1 − β₂ᵏ)) + ε)`.
///
/// Parameters without a gradient stay as they are, and do not count the step. A step that would leave NaN or an infinity
/// in a parameter or a moment is an error, after which all of them are those of before.
///
/// It is a candle_nn [`Optimizer`] too; its state, the moments and counts of steps, is that of a [`Stateful`].
///
/// ```
/// use advect_train::{AdamW, AdamWConfig};
/// use candle_core::{Device, Var};
/// use candle_nn::Optimizer;
/// # fn main() -> candle_core::Result<()> {
/// let x = Var::new(1f64, &Device::Cpu)?;
/// let config = AdamWConfig { learning_rate: 0.1, weight_decay: 0.0, ..AdamWConfig::default() };
/// let mut optimizer = AdamW::new(vec![x.clone()], config)?;
/// optimizer.backward_step(&x.sqr()?)?;
/// assert!((x.to_scalar::<f64>()? - 0.9).abs() < 1e-8); // the first step is η in size
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct AdamW {
    parameters: Vec<Parameter>,
    config: AdamWConfig,
    /// A bound of all first moments, unless the moments have been lent since.
    largest: f64,
    lent: AtomicBool,
}

impl AdamW {
    /// An optimiser of all parameters of a store, as they are now: build the network first.
    ///
    /// # Errors
    /// [`Error::Range`] for settings outside their range, or a store without parameters.
    pub fn from_store(store: &ParameterStore, config: AdamWConfig) -> Result<Self> {
        let parameters = store.parameters();
        if parameters.is_empty() {
            let accepted = "a store in which a network has been built";
            return Err(Error::range(
                "store",
                "a store without parameters",
                accepted,
            ));
        }
        Self::from_named(parameters, config)
    }

    /// An optimiser of named variables.
    ///
    /// # Errors
    /// [`Error::Range`] for settings outside their range, [`Error::DType`] for variables that are not f32 or f64, or
    /// names that are not all different.
    pub fn from_named(variables: Vec<(String, Var)>, config: AdamWConfig) -> Result<Self> {
        config.check()?;
        let mut names: Vec<&String> = variables.iter().map(|(name, _)| name).collect();
        names.sort();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::range("variables", pair[0], "names that all differ"));
        }
        let parameters: Result<Vec<Parameter>> = (variables.into_iter())
            .map(|(name, value)| Parameter::new(name, value, &config))
            .collect();
        Ok(AdamW {
            parameters: parameters?,
            config,
            largest: 0.0,
            lent: AtomicBool::new(false),
        })
    }

    /// The settings.
    pub fn config(&self) -> &AdamWConfig {
        &self.config
    }

    /// The steps to be made, none of which has been.
    fn updates<'a>(&'a self, grads: &'a GradStore) -> Result<Vec<Update<'a>>> {
        self.config.check()?;
        let updates: Result<Vec<Update<'_>>> = (self.parameters.iter())
            .filter_map(|parameter| Some((parameter, grads.get(&parameter.value)?)))
            .map(|(parameter, gradient)| Update::new(parameter, gradient, &self.config))
            .collect();
        let updates = updates?;
        if updates.is_empty() {
            let reason = format!(
                "there are none by any of the {} parameters of this optimiser; \
                 make it when the network has been built, and compute the loss from its parameters",
                self.parameters.len()
            );
            return Err(Error::detached("gradients", reason));
        }
        Ok(updates)
    }
}

impl StatefulOptimizer for AdamW {
    fn parameters(&self) -> Vec<(String, Var)> {
        let parameters = self.parameters.iter();
        parameters
            .map(|parameter| (parameter.name.clone(), parameter.value.clone()))
            .collect()
    }

    fn try_step(&mut self, grads: &GradStore, norm: f64) -> Result<()> {
        let largest = match self.lent.load(Ordering::Relaxed) {
            true => {
                let first = self.parameters.iter().map(|p| p.first.as_tensor());
                update::norm(&first.collect::<Vec<_>>())?
            }
            false => self.largest,
        };
        // A mean of gradients is not beyond the largest.
        let largest = largest.max(norm);
        let updates = self.updates(grads)?;
        for update in &updates {
            if !update.is_harmless(norm, largest) {
                update.rehearse()?;
            }
        }
        for update in &updates {
            update.apply()?;
        }
        self.largest = largest;
        self.lent = AtomicBool::new(false);
        Ok(())
    }
}

impl Optimizer for AdamW {
    type Config = AdamWConfig;

    fn new(vars: Vec<Var>, config: AdamWConfig) -> candle_core::Result<Self> {
        let float = vars.into_iter().filter(|var| var.dtype().is_float());
        let named = float.enumerate().map(|(i, var)| (i.to_string(), var));
        Ok(Self::from_named(named.collect(), config)?)
    }

    fn step(&mut self, grads: &GradStore) -> candle_core::Result<()> {
        let values = self.parameters.iter().map(|p| &p.value);
        let gradients: Vec<&Tensor> = values.filter_map(|value| grads.get(value)).collect();
        let norm = update::norm(&gradients)?;
        Ok(self.try_step(grads, norm)?)
    }

    fn learning_rate(&self) -> f64 {
        self.config.learning_rate
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.config.learning_rate = learning_rate;
    }
}

impl Stateful for AdamW {
    fn variables(&self) -> Vec<(String, Var)> {
        // Whoever has them may change them.
        self.lent.store(true, Ordering::Relaxed);
        let mut variables = Vec::with_capacity(3 * self.parameters.len());
        for parameter in &self.parameters {
            let name = &parameter.name;
            variables.push((format!("first.{name}"), parameter.first.clone()));
            variables.push((format!("second.{name}"), parameter.second.clone()));
            variables.push((format!("steps.{name}"), parameter.steps.clone()));
        }
        variables
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_settings_are_refused() {
        let fails = |change: fn(&mut AdamWConfig), name: &str| {
            let mut config = AdamWConfig::default();
            change(&mut config);
            let message = AdamW::from_named(vec![], config).unwrap_err().to_string();
            assert!(message.starts_with(&format!("{name}: ")), "{message}");
        };
        fails(|c| c.learning_rate = -1.0, "learning_rate");
        fails(|c| c.learning_rate = f64::NAN, "learning_rate");
        fails(|c| c.beta1 = 1.0, "beta1");
        fails(|c| c.beta2 = -0.1, "beta2");
        fails(|c| c.epsilon = 0.0, "epsilon");
        fails(|c| c.weight_decay = -0.1, "weight_decay");
    }
}
