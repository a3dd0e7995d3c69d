//! The settings of AdamW.

use advect_core::{Error, Result, check};

/// The settings of [`AdamW`](crate::AdamW); the default is PyTorch's.
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
    pub(super) fn check(&self) -> Result<()> {
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
