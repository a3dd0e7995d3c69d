//! A parameter with its memory, and prepared steps.

use advect_core::{Error, Result, check};
use advect_ops::update::{self, Steps};
use candle_core::{DType, Device, Tensor, Var};

use super::{Bounds, UpdateRule};
use crate::ParameterGroup;
use crate::stateful_optimizer::finite;

#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) value: Var,
    /// The parameter in f32, where it has 16 bits: steps are made on this copy, as in 16 bits small ones round to nothing.
    pub(super) master: Option<Var>,
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
        let master = match value.dtype() {
            DType::F32 | DType::F64 => None,
            DType::F16 | DType::BF16 => {
                let wide = value.as_detached_tensor().to_dtype(DType::F32)?;
                Some(Var::from_tensor(&wide)?)
            }
            other => return Err(Error::dtype(name, other, "f16, bf16, f32 or f64")),
        };
        let moved = master.as_ref().unwrap_or(&value);
        rule.check_parameter(moved)?;
        let slots = rule.memory(moved);
        let memory: Result<Vec<Var>> = (slots.iter())
            .map(|_| Ok(Var::from_tensor(&moved.zeros_like()?)?))
            .collect();
        Ok(Parameter {
            name,
            memory: memory?,
            slots,
            steps: Var::new(0f64, &Device::Cpu)?,
            value,
            master,
            frozen: false,
            rate_factor: None,
            weight_decay: None,
        })
    }

    /// The parameter, if it has a copy in f32, with that.
    pub(super) fn masters(&self) -> Option<(Var, Var)> {
        Some((self.value.clone(), self.master.clone()?))
    }

    /// What steps are made on.
    fn moved(&self) -> &Var {
        self.master.as_ref().unwrap_or(&self.value)
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
    gradient: Tensor,
    count: f64,
    rule: R,
}

impl<'a, R: UpdateRule> Update<'a, R> {
    /// A step with a gradient in the dtype of what is moved.
    pub(super) fn new(parameter: &'a Parameter, gradient: Tensor, rule: &R) -> Result<Self> {
        // Steps of contiguous gradients are made where the parameter lies, without more memory.
        let gradient = gradient.contiguous()?;
        check::alike("gradient", &gradient, "the parameter", parameter.moved())?;
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
        self.rule.gradient_bound(self.parameter.moved(), norm)
    }

    /// Makes the step on copies, unless it surely leaves finite numbers. Refuses it unless all stay finite, and the parameter below
    /// half of the largest number, so that parameters can be subtracted from each other.
    pub(super) fn rehearse(&self, gradient: f64, largest: f64) -> Result<()> {
        let Parameter { name, value, .. } = self.parameter;
        let moved = self.parameter.moved();
        let bounds = Bounds {
            dtype: moved.dtype(),
            elements: moved.elem_count(),
            count: self.count,
            gradient,
            largest,
        };
        // NaN has no bound, and the bounds know nothing of f16, whose largest number is 65504.
        let known = gradient.is_finite() && value.dtype() != DType::F16;
        if known && self.rule.is_harmless(&bounds) {
            return Ok(());
        }
        let copy =
            |var: &Var| -> Result<Var> { Ok(Var::from_tensor(&var.as_detached_tensor().copy()?)?) };
        let dtype = value.dtype();
        let value = copy(moved)?;
        let memory: Result<Vec<Var>> = self.parameter.memory.iter().map(copy).collect();
        let memory = memory?;
        (self.rule).step(&value, &memory, &self.gradient, self.count)?;
        let twice = (value.as_detached_tensor() * 2.0)?.to_dtype(dtype)?;
        // A device gives one answer for all of them, if all is well.
        let all = memory.iter().chain([&value]).map(Var::as_tensor);
        let all: Vec<&Tensor> = all.chain([&twice]).collect();
        if update::norm(&all)?.is_finite() {
            return Ok(());
        }
        for (slot, var) in self.parameter.slots.iter().zip(&memory) {
            finite(&format!("\"{slot}.{name}\""), var)?;
        }
        finite(&format!("\"{name}\""), &value)?;
        finite(&format!("twice \"{name}\""), &twice)
    }

    /// The parameter, if it has a copy in f32, with that.
    pub(super) fn masters(&self) -> Option<(Var, Var)> {
        self.parameter.masters()
    }

    /// The number of elements of the parameter.
    pub(super) fn elements(&self) -> usize {
        self.parameter.value.elem_count()
    }

    /// Adds the step to others. A copy in f32 is yet to be rounded to its parameter, and the step to be counted.
    pub(super) fn add_to(&self, steps: &mut Steps) -> Result<()> {
        let (moved, memory) = (self.parameter.moved(), &self.parameter.memory);
        (self.rule).add_step(steps, moved, memory, &self.gradient, self.count)
    }

    /// Counts the step, which has been made.
    pub(super) fn count(&self) -> Result<()> {
        let count = Tensor::new(self.count, &Device::Cpu)?;
        Ok(self.parameter.steps.set(&count)?)
    }
}
