//! Optimisers whose state a trainer can save and restore.

use advect_core::{Error, Result, check};
use advect_nn::Stateful;
use advect_ops::update;
use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use candle_nn::Optimizer;

use crate::ParameterGroup;
use crate::ema::named;

/// An optimiser with known parameters and state, as a [`Trainer`](crate::Trainer) requires.
///
/// A trainer compares [`parameters`](StatefulOptimizer::parameters) with its store, so that no parameter is silently
/// left out, and makes its steps by [`try_step`](StatefulOptimizer::try_step), so that a failed step changes nothing.
/// Wrap an optimiser of candle in your own type:
///
/// ```
/// use advect_core::{Generator, Key};
/// use advect_nn::{Linear, ParameterStore, Stateful};
/// use advect_train::{StatefulOptimizer, Trainer};
/// use candle_core::backprop::GradStore;
/// use candle_core::{DType, Device, Result, Tensor, Var};
/// use candle_nn::{Optimizer, SGD};
///
/// struct Sgd(SGD, Vec<(String, Var)>);
///
/// impl Optimizer for Sgd {
///     type Config = f64;
///     fn new(vars: Vec<Var>, rate: f64) -> Result<Self> {
///         let named = vars.iter().cloned().enumerate().map(|(i, var)| (i.to_string(), var));
///         Ok(Sgd(SGD::new(vars.clone(), rate)?, named.collect()))
///     }
///     fn step(&mut self, grads: &GradStore) -> Result<()> {
///         self.0.step(grads)
///     }
///     fn learning_rate(&self) -> f64 {
///         self.0.learning_rate()
///     }
///     fn set_learning_rate(&mut self, rate: f64) {
///         self.0.set_learning_rate(rate);
///     }
/// }
///
/// impl Stateful for Sgd {
///     fn variables(&self) -> Vec<(String, Var)> {
///         Vec::new() // it remembers nothing from step to step
///     }
/// }
///
/// impl StatefulOptimizer for Sgd {
///     fn parameters(&self) -> Vec<(String, Var)> {
///         self.1.clone()
///     }
/// }
///
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let net = Linear::new(1, 1, &store.builder())?;
/// let mut trainer = Trainer::new(&store, Sgd::new(store.vars(), 0.1)?, Generator::from_seed(0));
/// let x = Tensor::ones((1, 1), DType::F64, &Device::Cpu)?;
/// let before = net.bias().to_vec1::<f64>()?[0];
/// trainer.update(&net.forward(&x)?.sum_all()?)?;
/// assert!((net.bias().to_vec1::<f64>()?[0] - (before - 0.1)).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
pub trait StatefulOptimizer: Optimizer + Stateful {
    /// Returns the variables that steps change, with names for error messages.
    fn parameters(&self) -> Vec<(String, Var)>;

    /// Returns the copies in f32 of parameters of 16 bits, each after its parameter, if the optimiser keeps any. A trainer averages them in
    /// place of the rounded parameters.
    #[doc(alias = "master weights")]
    fn masters(&self) -> Vec<(Var, Var)> {
        Vec::new()
    }

    /// Applies a group's factor of the learning rate, its weight decay and whether it is frozen, for later steps.
    ///
    /// This provided method returns an error for a group with a factor or a weight decay, and leaves the rest to the
    /// trainer.
    ///
    /// # Errors
    /// [`Error::Range`] for a setting that is out of range or that the optimiser can't have, or a group without parameters.
    fn group(&mut self, group: &ParameterGroup) -> Result<()> {
        match group.has_settings() {
            false => Ok(()),
            true => {
                let given = format!("\"{}\" with {group}", group.pattern);
                let accepted =
                    "a group with neither a rate factor nor a weight decay, for this optimiser";
                Err(Error::range("group", given, accepted))
            }
        }
    }

    /// Makes a step if it succeeds and leaves finite numbers; otherwise parameters and state stay as they were before.
    /// `norm` is the Euclidean norm of all gradients together, or more.
    ///
    /// This provided method copies parameters and state before each step, and restores them after a failed one. An
    /// optimiser that can tell beforehand, or that has state in addition to its [`variables`](Stateful::variables),
    /// overrides it.
    ///
    /// # Errors
    /// Errors of the step; [`Error::Stopped`] if it leaves NaN or an infinity.
    fn try_step(&mut self, grads: &GradStore, norm: f64) -> Result<()> {
        let _ = norm;
        let variables: Vec<(String, Var)> =
            (self.parameters().into_iter().chain(self.variables())).collect();
        let copies: Result<Vec<Tensor>> = (variables.iter())
            .map(|(_, var)| Ok(var.as_detached_tensor().copy()?))
            .collect();
        let copies = copies?;
        let result = match self.step(grads) {
            Ok(()) => {
                (variables.iter()).try_for_each(|(name, var)| finite(&format!("\"{name}\""), var))
            }
            Err(error) => Err(error.into()),
        };
        if result.is_err() {
            for ((_, var), copy) in variables.iter().zip(copies) {
                var.set(&copy)?;
            }
        }
        result
    }
}

/// Refuses NaN and infinities in variables, whose names the errors have. One answer is awaited for all of a device.
pub(crate) fn all_finite(variables: &[(String, Var)]) -> Result<()> {
    let (here, elsewhere): (Vec<&(String, Var)>, Vec<_>) =
        (variables.iter()).partition(|(_, var)| var.device().is_cpu());
    let each = |variables: &[&(String, Var)]| {
        (variables.iter()).try_for_each(|(name, var)| {
            check::finite("x", var).map_err(|error| named(error, name.clone()))
        })
    };
    each(&here)?;
    let floats = elsewhere.iter().map(|(_, var)| var.as_tensor());
    let floats: Vec<&Tensor> = floats.filter(|x| check::float("x", x).is_ok()).collect();
    match update::norm(&floats)?.is_finite() {
        true => Ok(()),
        false => each(&elsewhere),
    }
}

/// Refuses numbers that a step would leave NaN or infinite.
pub(crate) fn finite(name: &str, x: &Tensor) -> Result<()> {
    match check::finite("x", x) {
        Err(Error::NonFinite { index, value, .. }) => {
            let reason = format!("it would take {name} to {value} at flat index {index}");
            Err(Error::stopped("the step", reason))
        }
        other => other,
    }
}
