//! Lion (Chen et al. 2023, algorithm 2).

use advect_core::{Result, check};
use advect_ops::update::{LionRates, Steps, together};
use candle_core::{Tensor, Var};

use super::adamw::{check_beta, unknown_memory};
use super::{Bounds, UpdateRule};

/// The settings of [`Lion`](crate::Lion), by default its authors': with a gradient g, `θ ← (1 − ηλ) θ − η sign(β₁ m +
/// (1 − β₁) g)`, `m ← β₂ m + (1 − β₂) g`.
///
/// Each step changes each element by η. The authors recommend a rate three to ten times smaller than AdamW's, and a
/// weight decay larger by the same factor.
///
/// ```
/// use advect_train::{Lion, LionConfig};
/// use candle_core::{Device, Var};
/// use candle_nn::Optimizer;
/// # fn main() -> candle_core::Result<()> {
/// let x = Var::new(&[1f64, 0.0], &Device::Cpu)?;
/// let config = LionConfig { learning_rate: 0.25, ..LionConfig::default() };
/// let mut optimizer = Lion::new(vec![x.clone()], config)?;
/// optimizer.backward_step(&x.sqr()?.sum_all()?)?;
/// assert_eq!(x.to_vec1::<f64>()?, [0.75, 0.0]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "betas")]
#[doc(alias = "lr")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LionConfig {
    /// The learning rate η, not below 0; 1e-4 by default.
    pub learning_rate: f64,
    /// The factor β₁ of the momentum in the direction, in [0, 1); 0.9 by default.
    pub beta1: f64,
    /// The decay β₂ of the momentum, in [0, 1); 0.99 by default.
    pub beta2: f64,
    /// The weight decay λ, not below 0; 0 by default.
    pub weight_decay: f64,
}

impl Default for LionConfig {
    fn default() -> Self {
        LionConfig {
            learning_rate: 1e-4,
            beta1: 0.9,
            beta2: 0.99,
            weight_decay: 0.0,
        }
    }
}

impl UpdateRule for LionConfig {
    fn check(&self) -> Result<()> {
        check::non_negative("learning_rate", self.learning_rate)?;
        check::non_negative("weight_decay", self.weight_decay)?;
        check_beta("beta1", self.beta1)?;
        check_beta("beta2", self.beta2)
    }

    fn memory(&self, _: &Tensor) -> &'static [&'static str] {
        &["momentum"]
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
        _: f64,
    ) -> Result<()> {
        let [momentum] = memory else {
            return Err(unknown_memory(memory));
        };
        let rates = LionRates {
            decay: 1.0 - self.learning_rate * self.weight_decay,
            rate: self.learning_rate,
            beta1: self.beta1,
            beta2: self.beta2,
        };
        steps.lion(value, momentum, gradient, &rates)
    }

    /// Returns whether a step surely leaves finite numbers. The momentum is a mean of gradients, and the size of the
    /// step is the rate.
    fn is_harmless(&self, bounds: &Bounds) -> bool {
        let decay = 1.0 - self.learning_rate * self.weight_decay;
        bounds.fits(bounds.largest) && bounds.is_small(decay, self.learning_rate)
    }
}
