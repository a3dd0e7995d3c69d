//! A parameter with its memory, and prepared steps.

use advect_core::{Error, Result, check};
use candle_core::{DType, Device, Tensor, Var};

use super::{Bounds, UpdateRule};
use crate::ParameterGroup;
use crate::stateful_optimizer::finite;

#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) value: Var,
    pub(super) memory: Vec<Var>,
    /// The names of the memory.
    pub(super) slots: &'static [&'static str],
    /// The count of steps with a gradient: a variable, so that it is stored with the memory.
    pub(super) steps: Var,
    pub(super) frozen: bool,
    rate_factor: Option<f64>,
    weight_decay: Option<f64>,
}

impl Parameter {
    pub(super) fn new(name: String, value: Var, rule: &impl UpdateRule) -> Result<Self> {
        if !matches!(value.dtype(), DType::F32 | DType::F64) {
            // In 16 bits small steps round to nothing.
            return Err(Error::dtype(name, value.dtype(), "f32 or f64"));
        }
        rule.check_parameter(&value)?;
        let slots = rule.memory(&value);
        let memory: Result<Vec<Var>> = (slots.iter())
            .map(|_| Ok(Var::from_tensor(&value.zeros_like()?)?))
            .collect();
        Ok(Parameter {
            name,
            memory: memory?,
            slots,
            steps: Var::new(0f64, &Device::Cpu)?,
            value,
            frozen: false,
            rate_factor: None,
            weight_decay: None,
        })
    }

    /// Takes over what a group says.
    pub(super) fn join(&mut self, group: &ParameterGroup) {
        self.rate_factor = group.rate_factor.or(self.rate_factor);
        self.weight_decay = group.weight_decay.or(self.weight_decay);
        self.frozen |= group.frozen;
    }

    /// The rule with this parameter's own settings.
    fn own<R: UpdateRule>(&self, rule: &R) -> Result<R> {
        let mut rule = rule.clone();
        if let Some(factor) = self.rate_factor {
            rule.set_learning_rate(rule.learning_rate() * factor);
        }
        if let Some(decay) = self.weight_decay {
            rule.set_weight_decay(decay)?;
        }
        Ok(rule)
    }
}

/// A step of a parameter that is yet to be made.
pub(super) struct Update<'a, R> {
    parameter: &'a Parameter,
    gradient: &'a Tensor,
    count: f64,
    rule: R,
}

impl<'a, R: UpdateRule> Update<'a, R> {
    pub(super) fn new(parameter: &'a Parameter, gradient: &'a Tensor, rule: &R) -> Result<Self> {
        check::alike("gradient", gradient, "the parameter", &parameter.value)?;
        let rule = parameter.own(rule)?;
        rule.check()?;
        Ok(Update {
            count: parameter.steps.to_scalar::<f64>()? + 1.0,
            parameter,
            gradient,
            rule,
        })
    }

    /// A bound of what takes the place of the gradient.
    pub(super) fn gradient_bound(&self, norm: f64) -> Result<f64> {
        self.rule.gradient_bound(&self.parameter.value, norm)
    }

    /// Makes the step on copies, unless it surely leaves finite numbers. Refuses it unless all stay finite, and the parameter below
    /// half of the largest number, so that parameters can be subtracted from each other.
    pub(super) fn rehearse(&self, gradient: f64, largest: f64) -> Result<()> {
        let Parameter { name, value, .. } = self.parameter;
        let bounds = Bounds {
            dtype: value.dtype(),
            elements: value.elem_count(),
            count: self.count,
            gradient,
            largest,
        };
        // NaN has no bound.
        if gradient.is_finite() && self.rule.is_harmless(&bounds) {
            return Ok(());
        }
        let copy =
            |var: &Var| -> Result<Var> { Ok(Var::from_tensor(&var.as_detached_tensor().copy()?)?) };
        let value = copy(value)?;
        let memory: Result<Vec<Var>> = self.parameter.memory.iter().map(copy).collect();
        let memory = memory?;
        self.rule.step(&value, &memory, self.gradient, self.count)?;
        for (slot, var) in self.parameter.slots.iter().zip(&memory) {
            finite(&format!("\"{slot}.{name}\""), var)?;
        }
        finite(&format!("\"{name}\""), &value)?;
        let twice = (value.as_detached_tensor() * 2.0)?;
        finite(&format!("twice \"{name}\""), &twice)
    }

    pub(super) fn apply(&self) -> Result<()> {
        let Parameter {
            value,
            memory,
            steps,
            ..
        } = self.parameter;
        self.rule.step(value, memory, self.gradient, self.count)?;
        Ok(steps.set(&Tensor::new(self.count, &Device::Cpu)?)?)
    }
}
