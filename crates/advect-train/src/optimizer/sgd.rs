//! Stochastic gradient descent with momentum (Polyak 1964; Sutskever et al. 2013), as in PyTorch.

use advect_core::{Result, check};
use advect_ops::update::{MomentumRates, Steps, together};
use candle_core::{Tensor, Var};

use super::adam::with_decay;
use super::adamw::{check_beta, unknown_memory};
use super::{Bounds, UpdateRule};

/// The settings of [`Sgd`](crate::Sgd), by default PyTorch's: `g ← g + λ θ`, then `θ ← θ − η d` along a direction d
/// that depends on the [`Momentum`].
///
/// ```
/// use advect_train::{Momentum, Sgd, SgdConfig};
/// use candle_core::{Device, Var};
/// use candle_nn::Optimizer;
/// # fn main() -> candle_core::Result<()> {
/// let x = Var::new(1f64, &Device::Cpu)?;
/// let config = SgdConfig { learning_rate: 0.25, momentum: Momentum::nesterov(0.5), ..SgdConfig::default() };
/// let mut optimizer = Sgd::new(vec![x.clone()], config)?;
/// optimizer.backward_step(&x.sqr()?)?; // g = v = 2, d = 2 + 0.5 · 2
/// assert_eq!(x.to_scalar::<f64>()?, 0.25);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "lr")]
#[doc(alias = "momentum")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SgdConfig {
    /// The learning rate η, not below 0; 1e-3 by default.
    pub learning_rate: f64,
    /// The momentum; none by default.
    pub momentum: Momentum,
    /// The factor λ of the parameter in the gradient, not below 0; 0 by default.
    pub weight_decay: f64,
}

/// The memory of the directions of earlier steps. The velocity v is the gradient at first.
///
/// ```
/// use advect_train::Momentum;
/// assert_eq!(Momentum::classical(0.9), Momentum::Classical { factor: 0.9, dampening: 0.0 });
/// assert_eq!(Momentum::nesterov(0.9), Momentum::Nesterov { factor: 0.9 });
/// ```
#[doc(alias = "Nesterov")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Momentum {
    /// No memory: `d = g`.
    None,
    /// Classical momentum: `v ← factor · v + (1 − dampening) g`, `d = v`.
    Classical {
        /// The factor μ, in [0, 1).
        factor: f64,
        /// The dampening, in [0, 1).
        dampening: f64,
    },
    /// Nesterov's momentum: `v ← factor · v + g`, `d = g + factor · v`.
    Nesterov {
        /// The factor μ, in [0, 1).
        factor: f64,
    },
}

impl Momentum {
    /// Creates classical momentum with a factor, without dampening.
    pub fn classical(factor: f64) -> Self {
        Momentum::Classical {
            factor,
            dampening: 0.0,
        }
    }

    /// Creates Nesterov's momentum with a factor.
    pub fn nesterov(factor: f64) -> Self {
        Momentum::Nesterov { factor }
    }
}

impl Default for SgdConfig {
    fn default() -> Self {
        SgdConfig {
            learning_rate: 1e-3,
            momentum: Momentum::None,
            weight_decay: 0.0,
        }
    }
}

impl UpdateRule for SgdConfig {
    fn check(&self) -> Result<()> {
        check::non_negative("learning_rate", self.learning_rate)?;
        check::non_negative("weight_decay", self.weight_decay)?;
        match self.momentum {
            Momentum::None => Ok(()),
            Momentum::Classical { factor, dampening } => {
                check_beta("momentum", factor)?;
                check_beta("dampening", dampening)
            }
            Momentum::Nesterov { factor } => check_beta("momentum", factor),
        }
    }

    fn memory(&self, _: &Tensor) -> &'static [&'static str] {
        match self.momentum {
            Momentum::None => &[],
            _ => &["velocity"],
        }
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
        let (momentum, fresh, ahead, along) = match self.momentum {
            Momentum::None => {
                let decay = 1.0 - self.learning_rate * self.weight_decay;
                return steps.descend(value, gradient, decay, self.learning_rate);
            }
            // The first gradient is taken whole.
            Momentum::Classical { factor, .. } if count == 1.0 => (factor, 1.0, 0.0, 1.0),
            Momentum::Classical { factor, dampening } => (factor, 1.0 - dampening, 0.0, 1.0),
            Momentum::Nesterov { factor } => (factor, 1.0, 1.0, factor),
        };
        let [velocity] = memory else {
            return Err(unknown_memory(memory));
        };
        let rates = MomentumRates {
            rate: self.learning_rate,
            decay: self.weight_decay,
            momentum,
            fresh,
            ahead,
            along,
        };
        steps.momentum(value, velocity, gradient, &rates)
    }

    fn gradient_bound(&self, value: &Tensor, norm: f64) -> Result<f64> {
        with_decay(self.weight_decay, value, norm)
    }

    /// Returns whether a step surely leaves finite numbers. A velocity is at most the largest gradient over `1 −
    /// factor`.
    fn is_harmless(&self, bounds: &Bounds) -> bool {
        let (factor, ahead) = match self.momentum {
            Momentum::None => (0.0, 0.0),
            Momentum::Classical { factor, .. } => (factor, 0.0),
            Momentum::Nesterov { factor } => (factor, 1.0),
        };
        let direction = bounds.largest / (1.0 - factor) + ahead * bounds.gradient;
        let (rate, decay) = (self.learning_rate, self.weight_decay);
        [rate, decay, rate * decay, direction].map(|size| bounds.fits(size)) == [true; 4]
            && bounds.is_small(1.0, rate * direction)
    }
}

#[cfg(test)]
mod tests {
    use advect_core::Error;

    use super::*;
    use crate::Sgd;

    #[test]
    fn bad_settings_are_refused() {
        let fails = |config: SgdConfig, name: &str| {
            let message = Sgd::from_named(vec![], config).unwrap_err();
            assert!(matches!(&message, Error::Range { argument, .. } if argument == name));
        };
        let with = |momentum| SgdConfig {
            momentum,
            ..SgdConfig::default()
        };
        fails(with(Momentum::classical(1.0)), "momentum");
        fails(with(Momentum::nesterov(f64::NAN)), "momentum");
        let (factor, dampening) = (0.5, 1.0);
        fails(with(Momentum::Classical { factor, dampening }), "dampening");
        let config = SgdConfig {
            learning_rate: -1.0,
            ..SgdConfig::default()
        };
        fails(config, "learning_rate");
        let config = SgdConfig {
            weight_decay: f64::INFINITY,
            ..SgdConfig::default()
        };
        fails(config, "weight_decay");
    }
}
