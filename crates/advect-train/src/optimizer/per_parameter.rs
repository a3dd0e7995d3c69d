//! An optimiser that applies a rule to each parameter.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicBool, Ordering};

use advect_core::{Error, Result};
use advect_nn::{ParameterStore, Stateful};
use advect_ops::{backward, update};
use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use candle_nn::Optimizer;

use super::UpdateRule;
use super::parameter::{Parameter, Update};
use crate::stateful_optimizer::all_finite;
use crate::{ParameterGroup, StatefulOptimizer};

/// The name of the copies in f32, before that of their parameter.
const MASTER: &str = "master";

/// An optimiser that updates each parameter by the same [`UpdateRule`], such as [`AdamW`](super::AdamW).
///
/// Parameters without a gradient stay as they are, and do not count the step. A step that would leave NaN or an
/// infinity in a parameter or in the optimiser's memory is an error, after which all of them are as they were before.
/// After an error of an operation in the middle of a step, the parameters that were moved have counted it, and the others stay as they are.
///
/// A parameter of 16 bits has a copy in f32, on which steps are made; the parameter is that copy, rounded. Without it, steps of less than a 256th
/// (bf16) or a 2048th (f16) of a parameter would round to nothing. The copies are part of the state.
///
/// It is also a candle_nn [`Optimizer`]; its state, the memory and the counts of steps, is that of a [`Stateful`].
///
/// ```
/// use advect_core::Key;
/// use advect_nn::{Linear, ParameterStore, Stateful};
/// use advect_train::{Lion, LionConfig};
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::Optimizer;
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let net = Linear::new(1, 1, &store.builder())?;
/// let mut optimizer = Lion::from_store(&store, LionConfig { learning_rate: 0.1, ..LionConfig::default() })?;
/// let before = net.bias().to_vec1::<f64>()?[0];
/// optimizer.backward_step(&net.forward(&Tensor::ones((1, 1), DType::F64, &Device::Cpu)?)?.sum_all()?)?;
/// assert!((net.bias().to_vec1::<f64>()?[0] - (before - 0.1)).abs() < 1e-15);
/// let names: Vec<String> = optimizer.state().into_keys().collect();
/// assert_eq!(names, ["momentum.bias", "momentum.weight", "steps.bias", "steps.weight"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PerParameter<R> {
    parameters: Vec<Parameter>,
    rule: R,
    /// A bound of all gradients so far, unless the memory has been lent since.
    largest: f64,
    lent: AtomicBool,
}

impl<R: UpdateRule> PerParameter<R> {
    /// Creates an optimiser of all parameters that a store has now: build the network first.
    ///
    /// # Errors
    /// [`Error::Range`] for settings outside their range, or a store without parameters.
    pub fn from_store(store: &ParameterStore, config: R) -> Result<Self> {
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

    /// Creates an optimiser of named variables.
    ///
    /// # Errors
    /// [`Error::Range`] for settings outside their range, [`Error::DType`] for variables that are not f16, bf16, f32
    /// or f64, or names or variables that are not all different.
    pub fn from_named(variables: Vec<(String, Var)>, config: R) -> Result<Self> {
        config.check()?;
        let mut names: Vec<&String> = variables.iter().map(|(name, _)| name).collect();
        names.sort();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::range(
                "variables",
                format!("a list with \"{}\" twice", pair[0]),
                "a list of distinct names",
            ));
        }
        let repeated = |(i, (name, var)): (usize, &(String, Var))| {
            let before = variables[..i]
                .iter()
                .find(|(_, other)| other.id() == var.id());
            before
                .map(|(other, _)| format!("a list with one variable as \"{other}\" and \"{name}\""))
        };
        if let Some(given) = variables.iter().enumerate().find_map(repeated) {
            return Err(Error::range(
                "variables",
                given,
                "a list of distinct variables",
            ));
        }
        let parameters: Result<Vec<Parameter>> = (variables.into_iter())
            .map(|(name, value)| Parameter::new(name, value, &config))
            .collect();
        Ok(PerParameter {
            parameters: parameters?,
            rule: config,
            largest: 0.0,
            // What the variables hold is not known yet.
            lent: AtomicBool::new(true),
        })
    }

    /// Returns the settings.
    pub fn config(&self) -> &R {
        &self.rule
    }

    /// Refuses NaN and infinities in parameters and memory.
    fn check_finite(&self) -> Result<()> {
        let mut variables = Vec::new();
        for parameter in &self.parameters {
            let name = &parameter.name;
            variables.push((name.clone(), parameter.value.clone()));
            if let Some(master) = &parameter.master {
                variables.push((format!("{MASTER}.{name}"), master.clone()));
            }
            for (slot, var) in parameter.slots.iter().zip(&parameter.memory) {
                variables.push((format!("{slot}.{name}"), var.clone()));
            }
        }
        all_finite(&variables)
    }

    /// The steps to be made, none of which has been.
    fn updates<'a>(&'a self, grads: &'a GradStore) -> Result<Vec<Update<'a, R>>> {
        self.rule.check()?;
        let moved = self.parameters.iter().filter(|parameter| !parameter.frozen);
        let (parameters, gradients): (Vec<&Parameter>, Vec<Tensor>) = moved
            .filter_map(|parameter| Some((parameter, grads.get(&parameter.value)?.clone())))
            .unzip();
        let (parameters, gradients) = (parameters.into_iter(), gradients.into_iter());
        let (copied, others): (Vec<_>, Vec<_>) =
            (parameters.zip(gradients)).partition(|(parameter, _)| parameter.master.is_some());
        let (copied, narrow): (Vec<&Parameter>, Vec<Tensor>) = copied.into_iter().unzip();
        let copied = copied.into_iter().zip(update::widen(narrow)?);
        let updates: Result<Vec<Update<'_, R>>> = (copied.chain(others))
            .map(|(parameter, gradient)| Update::new(parameter, gradient, &self.rule))
            .collect();
        let updates = updates?;
        if updates.is_empty() {
            let reason = format!(
                "there are none by the parameters of this optimiser ({} in all); \
                 make it when the network has been built, and compute the loss from its parameters",
                self.parameters.len()
            );
            return Err(Error::detached("gradients", reason));
        }
        Ok(updates)
    }
}

impl<R: UpdateRule> StatefulOptimizer for PerParameter<R> {
    fn parameters(&self) -> Vec<(String, Var)> {
        let parameters = self.parameters.iter();
        parameters
            .map(|parameter| (parameter.name.clone(), parameter.value.clone()))
            .collect()
    }

    fn masters(&self) -> Vec<(Var, Var)> {
        (self.parameters.iter())
            .filter_map(Parameter::masters)
            .collect()
    }

    fn group(&mut self, group: &ParameterGroup) -> Result<()> {
        group.check(self.parameters.iter().map(|parameter| &parameter.name))?;
        if let Some(decay) = group.weight_decay {
            self.rule.clone().set_weight_decay(decay)?;
        }
        for parameter in &mut self.parameters {
            if group.contains(&parameter.name) {
                parameter.join(group);
            }
        }
        Ok(())
    }

    fn try_step(&mut self, grads: &GradStore, norm: f64) -> Result<()> {
        let mut largest = match self.lent.load(Ordering::Relaxed) {
            true => {
                self.check_finite()?;
                let first = self.parameters.iter().filter_map(|p| p.memory.first());
                update::norm(&first.map(Var::as_tensor).collect::<Vec<_>>())?
            }
            false => self.largest,
        };
        update::follow(&self.masters())?;
        let updates = self.updates(grads)?;
        let mut gradient = norm;
        for update in &updates {
            gradient = gradient.max(update.gradient_bound(norm)?);
        }
        largest = largest.max(gradient);
        for update in &updates {
            update.rehearse(gradient, largest)?;
        }
        // What may need memory needs it first for the largest parameter: with too little of it, none has changed.
        let mut largest_first: Vec<&Update<'_, R>> = updates.iter().collect();
        largest_first.sort_by_key(|update| Reverse(update.elements()));
        let (mut added, mut made) = (0_usize, 0);
        let applied = update::together(|steps| {
            let all = largest_first.iter().try_for_each(|update| {
                update.add_to(steps)?;
                added += 1;
                Ok(())
            });
            let all = all.and_then(|()| steps.make());
            made = added.saturating_sub(steps.waiting());
            all
        });
        let counted = largest_first.iter().take(made);
        counted.copied().try_for_each(Update::count)?;
        let moved: Vec<(Var, Var)> = updates.iter().filter_map(Update::masters).collect();
        update::round(&moved)?;
        applied?;
        self.largest = largest;
        self.lent = AtomicBool::new(false);
        Ok(())
    }
}

impl<R: UpdateRule> Optimizer for PerParameter<R> {
    type Config = R;

    fn new(vars: Vec<Var>, config: R) -> candle_core::Result<Self> {
        let float = vars.into_iter().filter(|var| var.dtype().is_float());
        let named = float.enumerate().map(|(i, var)| (i.to_string(), var));
        Ok(Self::from_named(named.collect(), config)?)
    }

    fn step(&mut self, grads: &GradStore) -> candle_core::Result<()> {
        let moved = self.parameters.iter().filter(|p| !p.frozen);
        let gradients: Vec<&Tensor> = moved.filter_map(|p| grads.get(&p.value)).collect();
        let norm = update::norm(&gradients)?;
        Ok(self.try_step(grads, norm)?)
    }

    fn backward_step(&mut self, loss: &Tensor) -> candle_core::Result<()> {
        self.step(&backward(loss)?)
    }

    fn learning_rate(&self) -> f64 {
        self.rule.learning_rate()
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.rule.set_learning_rate(learning_rate);
    }
}

impl<R: UpdateRule> Stateful for PerParameter<R> {
    fn variables(&self) -> Vec<(String, Var)> {
        // Whoever has them may change them.
        self.lent.store(true, Ordering::Relaxed);
        let mut variables = Vec::new();
        for parameter in &self.parameters {
            let name = &parameter.name;
            for (slot, var) in parameter.slots.iter().zip(&parameter.memory) {
                variables.push((format!("{slot}.{name}"), var.clone()));
            }
            if let Some(master) = &parameter.master {
                variables.push((format!("{MASTER}.{name}"), master.clone()));
            }
            variables.push((format!("steps.{name}"), parameter.steps.clone()));
        }
        variables
    }
}
