//! AdamW (Loshchilov and Hutter 2019, algorithm 2), as in PyTorch.

use advect_core::{Error, Result, check};
use advect_ops::update::{AdamWRates, Steps, together};
use candle_core::{DType, Tensor, Var};

use super::{Bounds, UpdateRule};

/// The settings of [`AdamW`](crate::AdamW), by default PyTorch's. At a parameter's k-th step with a gradient g, `θ ← (1
/// − ηλ) θ`, `m ← β₁ m + (1 − β₁) g`, `v ← β₂ v + (1 − β₂) g²`, `θ ← θ − η (m / (1 − β₁ᵏ)) / (√(v / (1 − β₂ᵏ)) + ε)`.
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
#[doc(alias = "ParamsAdamW")]
#[doc(alias = "betas")]
#[doc(alias = "lr")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWConfig {
    /// The learning rate η, not below 0; 1e-3 by default.
    pub learning_rate: f64,
    /// The decay β₁ of the first moment, in [0, 1); 0.9 by default.
    pub beta1: f64,
    /// The decay β₂ of the second moment, in [0, 1); 0.999 by default.
    pub beta2: f64,
    /// The number ε > 0, added to the root of the second moment; 1e-8 by default.
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
    fn rates(&self, count: f64) -> AdamWRates {
        AdamWRates {
            decay: 1.0 - self.learning_rate * self.weight_decay,
            rate: self.learning_rate / (1.0 - self.beta1.powf(count)),
            correction: 1.0 - self.beta2.powf(count),
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: self.epsilon,
        }
    }
}

impl UpdateRule for AdamWConfig {
    fn check(&self) -> Result<()> {
        check::non_negative("learning_rate", self.learning_rate)?;
        check::non_negative("weight_decay", self.weight_decay)?;
        check::positive("epsilon", self.epsilon)?;
        check_beta("beta1", self.beta1)?;
        check_beta("beta2", self.beta2)
    }

    /// Checks that ε does not round to 0.
    fn check_parameter(&self, value: &Tensor) -> Result<()> {
        let smallest = match value.dtype() {
            DType::F32 => f64::from(f32::MIN_POSITIVE),
            _ => f64::MIN_POSITIVE,
        };
        if self.epsilon < smallest {
            let accepted = format!("a number of at least {smallest:e}, for {:?}", value.dtype());
            return Err(Error::range("epsilon", self.epsilon, accepted));
        }
        Ok(())
    }

    fn memory(&self, _: &Tensor) -> &'static [&'static str] {
        &["first", "second"]
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.learning_rate = learning_rate;
    }

    fn set_weight_decay(&mut self, weight_decay: f64) -> Result<()> {
        self.weight_decay = weight_decay;
        Ok(())
    }

    fn step(&self, value: &Var, memory: &[Var], gradient: &Tensor, count: f64) -> Result<()> {
        together(|steps| self.add_step(steps, value, memory, gradient, count))
    }

    fn add_step(
        &self,
        steps: &mut Steps,
        value: &Var,
        memory: &[Var],
        gradient: &Tensor,
        count: f64,
    ) -> Result<()> {
        let [first, second] = memory else {
            return Err(unknown_memory(memory));
        };
        steps.adamw(value, first, second, gradient, &self.rates(count))
    }

    /// Returns whether a step surely leaves finite numbers. The second moment is a mean of squared gradients, and the
    /// first is no larger than the largest gradient. The parameter is multiplied by 1 or less, then changed by at most
    /// `rate · first / ε`.
    fn is_harmless(&self, bounds: &Bounds) -> bool {
        let rates = self.rates(bounds.count);
        let change = rates.rate * (bounds.largest / rates.epsilon);
        bounds.squares_fit() && bounds.fits(rates.rate) && bounds.is_small(rates.decay, change)
    }
}

/// Checks the decay of a moment.
pub(super) fn check_beta(name: &'static str, beta: f64) -> Result<()> {
    match (0.0..1.0).contains(&beta) {
        true => Ok(()),
        false => Err(Error::range(name, beta, "a number in [0, 1)")),
    }
}

/// The memory is not that of the rule.
pub(super) fn unknown_memory(memory: &[Var]) -> Error {
    let given = format!("a list of length {}", memory.len());
    Error::range(
        "memory",
        given,
        "one tensor for each name in UpdateRule::memory",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AdamW;

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
