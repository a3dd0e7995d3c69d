//! Adam (Kingma and Ba 2015, algorithm 1), with weight decay in the gradient, as in PyTorch.

use advect_core::{Coefficient, Result};
use advect_ops::update::Steps;
use advect_ops::{combine, update};
use candle_core::{Tensor, Var};

use super::{AdamWConfig, Bounds, UpdateRule};

/// The settings of [`Adam`](crate::Adam), by default PyTorch's: `g ← g + λ θ`, and then a step like that of
/// [`AdamWConfig`] without decay.
///
/// ```
/// use advect_train::{Adam, AdamConfig};
/// use candle_core::{Device, Var};
/// use candle_nn::Optimizer;
/// # fn main() -> candle_core::Result<()> {
/// let x = Var::new(1f64, &Device::Cpu)?;
/// let config = AdamConfig { learning_rate: 0.1, weight_decay: 3.0, ..AdamConfig::default() };
/// let mut optimizer = Adam::new(vec![x.clone()], config)?;
/// optimizer.backward_step(&(x.as_tensor() * -2.0)?)?; // g + λ θ = 1
/// assert!((x.to_scalar::<f64>()? - 0.9).abs() < 1e-8);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "betas")]
#[doc(alias = "lr")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamConfig {
    /// The learning rate η, not below 0; 1e-3 by default.
    pub learning_rate: f64,
    /// The decay β₁ of the first moment, in [0, 1); 0.9 by default.
    pub beta1: f64,
    /// The decay β₂ of the second moment, in [0, 1); 0.999 by default.
    pub beta2: f64,
    /// The number ε > 0, added to the root of the second moment; 1e-8 by default.
    pub epsilon: f64,
    /// The factor λ of the parameter in the gradient, not below 0; 0 by default.
    pub weight_decay: f64,
}

impl Default for AdamConfig {
    fn default() -> Self {
        AdamConfig {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
        }
    }
}

impl AdamConfig {
    /// AdamW with the same settings and a weight decay.
    fn adamw(&self, weight_decay: f64) -> AdamWConfig {
        AdamWConfig {
            learning_rate: self.learning_rate,
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: self.epsilon,
            weight_decay,
        }
    }
}

impl UpdateRule for AdamConfig {
    fn check(&self) -> Result<()> {
        self.adamw(self.weight_decay).check()
    }

    fn check_parameter(&self, value: &Tensor) -> Result<()> {
        self.adamw(0.0).check_parameter(value)
    }

    fn memory(&self, value: &Tensor) -> &'static [&'static str] {
        self.adamw(0.0).memory(value)
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
        let adamw = self.adamw(0.0);
        if self.weight_decay == 0.0 {
            return adamw.step(value, memory, gradient, count);
        }
        let (one, decay) = (
            Coefficient::Shared(1.0),
            Coefficient::Shared(self.weight_decay),
        );
        let gradient = combine(&[
            (one, &gradient.detach()),
            (decay, &value.as_detached_tensor()),
        ])?;
        adamw.step(value, memory, &gradient, count)
    }

    /// Adds a step without weight decay. One with it needs memory for its gradient, and is made at once.
    fn add_step(
        &self,
        steps: &mut Steps,
        value: &Var,
        memory: &[Var],
        gradient: &Tensor,
        count: f64,
    ) -> Result<()> {
        if self.weight_decay == 0.0 {
            let adamw = self.adamw(0.0);
            return adamw.add_step(steps, value, memory, gradient, count);
        }
        steps.make()?;
        self.step(value, memory, gradient, count)
    }

    fn gradient_bound(&self, value: &Tensor, norm: f64) -> Result<f64> {
        with_decay(self.weight_decay, value, norm)
    }

    fn is_harmless(&self, bounds: &Bounds) -> bool {
        bounds.fits(self.weight_decay) && self.adamw(0.0).is_harmless(bounds)
    }
}

/// A bound of the norm of `g + λ θ`.
pub(super) fn with_decay(weight_decay: f64, value: &Tensor, norm: f64) -> Result<f64> {
    match weight_decay == 0.0 {
        true => Ok(norm),
        false => Ok(norm + weight_decay * update::norm(&[value])?),
    }
}
