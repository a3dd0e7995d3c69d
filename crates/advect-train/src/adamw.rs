//! AdamW (Loshchilov and Hutter 2019, algorithm 2), as in PyTorch.

use advect_core::{Error, Result, check};
use advect_models::{ParameterStore, Stateful};
use advect_ops::update::{self, AdamWRates};
use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use candle_nn::Optimizer;

/// The settings of [`AdamW`]; the default is PyTorch's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWConfig {
    /// The learning rate η, not below 0; 1e-3 by default.
    pub learning_rate: f64,
    /// The decay β₁ of the first moment, in [0, 1); 0.9 by default.
    pub beta1: f64,
    /// The decay β₂ of the second moment, in [0, 1); 0.999 by default.
    pub beta2: f64,
    /// ε, added to the root of the second moment; above 0; 1e-8 by default.
    pub epsilon: f64,
    /// The weight decay λ, not below 0; 0.01 by default.
    pub weight_decay: f64,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        AdamWConfig {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.01,
        }
    }
}

impl AdamWConfig {
    fn check(&self) -> Result<()> {
        check::non_negative("learning_rate", self.learning_rate)?;
        check::non_negative("weight_decay", self.weight_decay)?;
        check::positive("epsilon", self.epsilon)?;
        for (name, beta) in [("beta1", self.beta1), ("beta2", self.beta2)] {
            if !(0.0..1.0).contains(&beta) {
                return Err(Error::range(name, beta, "a number in [0, 1)"));
            }
        }
        Ok(())
    }
}

/// AdamW: at a parameter's k-th step with a gradient g,
/// `θ ← (1 − ηλ) θ`, `m ← β₁ m + (1 − β₁) g`, `v ← β₂ v + (1 − β₂) g²`,
/// `θ ← θ − η (m / (1 − β₁ᵏ)) / (√(v / (1 − β₂ᵏ)) + ε)`.
///
/// Parameters without a gradient stay as they are, and do not count the step. It is a candle_nn [`Optimizer`] too; its state, the
/// moments and counts of steps, is that of a [`Stateful`].
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
}

#[derive(Debug)]
struct Parameter {
    name: String,
    value: Var,
    first: Var,
    second: Var,
    /// The count of steps with a gradient: a variable, so that it is stored with the moments.
    steps: Var,
}

impl AdamW {
    /// An optimiser of all parameters of a store, as they are now.
    ///
    /// # Errors
    /// [`Error::Range`] for settings outside their range.
    pub fn from_store(store: &ParameterStore, config: AdamWConfig) -> Result<Self> {
        Self::from_named(store.parameters(), config)
    }

    /// An optimiser of named variables.
    ///
    /// # Errors
    /// [`Error::Range`] for settings outside their range, [`Error::DType`] for variables that are not f32 or f64, or
    /// names that are not all different.
    pub fn from_named(variables: Vec<(String, Var)>, config: AdamWConfig) -> Result<Self> {
        config.check()?;
        let parameter = |(name, value): (String, Var)| {
            if !matches!(value.dtype(), DType::F32 | DType::F64) {
                // In 16 bits ε rounds to 0, and the second moment stands still.
                return Err(Error::dtype(name, value.dtype(), "f32 or f64"));
            }
            let (first, second) = (value.zeros_like()?, value.zeros_like()?);
            Ok(Parameter {
                name,
                value,
                first: Var::from_tensor(&first)?,
                second: Var::from_tensor(&second)?,
                steps: Var::new(0f64, &Device::Cpu)?,
            })
        };
        let mut names: Vec<&String> = variables.iter().map(|(name, _)| name).collect();
        names.sort();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::range("variables", pair[0], "names that all differ"));
        }
        Ok(AdamW {
            parameters: variables
                .into_iter()
                .map(parameter)
                .collect::<Result<_>>()?,
            config,
        })
    }

    /// The settings.
    pub fn config(&self) -> &AdamWConfig {
        &self.config
    }
}

impl Parameter {
    fn update(&self, gradient: &Tensor, config: &AdamWConfig) -> Result<()> {
        let steps = self.steps.to_scalar::<f64>()? + 1.0;
        let rates = AdamWRates {
            decay: 1.0 - config.learning_rate * config.weight_decay,
            rate: config.learning_rate / (1.0 - config.beta1.powf(steps)),
            correction: 1.0 - config.beta2.powf(steps),
            beta1: config.beta1,
            beta2: config.beta2,
            epsilon: config.epsilon,
        };
        update::adamw(&self.value, &self.first, &self.second, gradient, &rates)?;
        Ok(self.steps.set(&Tensor::new(steps, &Device::Cpu)?)?)
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
        for parameter in &self.parameters {
            if let Some(gradient) = grads.get(&parameter.value) {
                parameter.update(gradient, &self.config)?;
            }
        }
        Ok(())
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
