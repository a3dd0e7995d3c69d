//! A parameter with its moments, and whether a step of it stays finite.

use advect_core::{Error, Result, check};
use advect_ops::update::{self, AdamWRates};
use candle_core::{DType, Device, Tensor, Var};

use super::AdamWConfig;
use crate::stateful_optimizer::finite;

#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) value: Var,
    pub(super) first: Var,
    pub(super) second: Var,
    /// The count of steps with a gradient: a variable, so that it is stored with the moments.
    pub(super) steps: Var,
}

impl Parameter {
    pub(super) fn new(name: String, value: Var, config: &AdamWConfig) -> Result<Self> {
        let smallest = match value.dtype() {
            DType::F32 => f64::from(f32::MIN_POSITIVE),
            DType::F64 => f64::MIN_POSITIVE,
            // In 16 bits ε rounds to 0, and the second moment stands still.
            other => return Err(Error::dtype(name, other, "f32 or f64")),
        };
        if config.epsilon < smallest {
            let accepted = format!("at least {smallest:e}, for {:?}", value.dtype());
            return Err(Error::range("epsilon", config.epsilon, accepted));
        }
        let (first, second) = (value.zeros_like()?, value.zeros_like()?);
        Ok(Parameter {
            name,
            value,
            first: Var::from_tensor(&first)?,
            second: Var::from_tensor(&second)?,
            steps: Var::new(0f64, &Device::Cpu)?,
        })
    }
}

/// A step of a parameter that is yet to be made.
pub(super) struct Update<'a> {
    parameter: &'a Parameter,
    gradient: &'a Tensor,
    steps: f64,
    rates: AdamWRates,
}

impl<'a> Update<'a> {
    pub(super) fn new(
        parameter: &'a Parameter,
        gradient: &'a Tensor,
        config: &AdamWConfig,
    ) -> Result<Self> {
        check::alike("gradient", gradient, "the parameter", &parameter.value)?;
        let steps = parameter.steps.to_scalar::<f64>()? + 1.0;
        let rates = AdamWRates {
            decay: 1.0 - config.learning_rate * config.weight_decay,
            rate: config.learning_rate / (1.0 - config.beta1.powf(steps)),
            correction: 1.0 - config.beta2.powf(steps),
            beta1: config.beta1,
            beta2: config.beta2,
            epsilon: config.epsilon,
        };
        Ok(Update {
            parameter,
            gradient,
            steps,
            rates,
        })
    }

    /// Whether finite numbers surely stay finite, given bounds of the gradient and of the first moment afterwards.
    ///
    /// The second moment is a mean of squared gradients. The parameter is multiplied by 1 or less, then changed by at most
    /// `rate · first / ε`; a change of less than half the spacing of the largest numbers makes none of them infinite.
    pub(super) fn is_harmless(&self, gradient: f64, first: f64) -> bool {
        let (root, spacing) = match self.parameter.value.dtype() {
            DType::F32 => (1e19, 2f64.powi(102)),
            _ => (1e154, 2f64.powi(969)),
        };
        let change = self.rates.rate * (first / self.rates.epsilon);
        gradient < root && change < spacing && (0.0..=1.0).contains(&self.rates.decay)
    }

    /// Makes the step on copies, and refuses it unless all numbers stay finite, and parameters below half of the largest
    /// number, so that they can be subtracted from each other.
    pub(super) fn rehearse(&self) -> Result<()> {
        let Parameter { name, .. } = self.parameter;
        let copy =
            |var: &Var| -> Result<Var> { Ok(Var::from_tensor(&var.as_detached_tensor().copy()?)?) };
        let value = copy(&self.parameter.value)?;
        let (first, second) = (copy(&self.parameter.first)?, copy(&self.parameter.second)?);
        update::adamw(&value, &first, &second, self.gradient, &self.rates)?;
        finite(&format!("the first moment of \"{name}\""), &first)?;
        finite(&format!("the second moment of \"{name}\""), &second)?;
        finite(&format!("\"{name}\""), &value)?;
        let twice = (value.as_detached_tensor() * 2.0)?;
        finite(&format!("twice \"{name}\""), &twice)
    }

    pub(super) fn apply(&self) -> Result<()> {
        let Parameter {
            value,
            first,
            second,
            steps,
            ..
        } = self.parameter;
        update::adamw(value, first, second, self.gradient, &self.rates)?;
        Ok(steps.set(&Tensor::new(self.steps, &Device::Cpu)?)?)
    }
}
