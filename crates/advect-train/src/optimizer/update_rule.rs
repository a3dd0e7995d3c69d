//! The rule of an optimiser for one parameter.

use std::fmt::Debug;

use advect_core::{Error, Result};
use advect_ops::update::Steps;
use candle_core::{DType, Tensor, Var};

/// A formula for the step of one parameter, with its settings. [`PerParameter`](super::PerParameter) makes an optimiser
/// of it.
///
/// ```
/// use advect_core::{Result, check};
/// use advect_ops::update;
/// use advect_train::optimizer::{Bounds, PerParameter, UpdateRule};
/// use candle_core::{Device, Tensor, Var};
/// use candle_nn::Optimizer;
///
/// /// Steps of the same size whatever the gradient: θ ← θ − η sign(g).
/// #[derive(Debug, Clone)]
/// struct Signs {
///     learning_rate: f64,
/// }
///
/// impl UpdateRule for Signs {
///     fn check(&self) -> Result<()> {
///         check::non_negative("learning_rate", self.learning_rate).map(drop)
///     }
///     fn learning_rate(&self) -> f64 {
///         self.learning_rate
///     }
///     fn set_learning_rate(&mut self, learning_rate: f64) {
///         self.learning_rate = learning_rate;
///     }
///     fn step(&self, value: &Var, _: &[Var], gradient: &Tensor, _: f64) -> Result<()> {
///         update::descend(value, &gradient.sign()?, 1.0, self.learning_rate)
///     }
///     // Not required: such steps need no trial on copies.
///     fn is_harmless(&self, bounds: &Bounds) -> bool {
///         bounds.gradient.is_finite() && self.learning_rate < 1e20
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let x = Var::new(&[1f64, 2.0], &Device::Cpu)?;
/// let mut optimizer = PerParameter::new(vec![x.clone()], Signs { learning_rate: 0.5 })?;
/// optimizer.backward_step(&x.sqr()?.sum_all()?)?;
/// assert_eq!(x.to_vec1::<f64>()?, [0.5, 1.5]);
/// # Ok(())
/// # }
/// ```
pub trait UpdateRule: Debug + Clone + Send {
    /// Checks the settings.
    ///
    /// # Errors
    /// [`Error::Range`] naming the setting that is out of its range.
    fn check(&self) -> Result<()>;

    /// Checks whether the settings fit a parameter. By default, they do.
    ///
    /// # Errors
    /// [`Error`] naming what does not fit.
    fn check_parameter(&self, value: &Tensor) -> Result<()> {
        let _ = value;
        Ok(())
    }

    /// Returns the names of the tensors that the rule keeps for a parameter from step to step. They have its shape
    /// and begin as zeros. By default, there are none.
    fn memory(&self, value: &Tensor) -> &'static [&'static str] {
        let _ = value;
        &[]
    }

    /// Returns the learning rate.
    fn learning_rate(&self) -> f64;

    /// Sets the learning rate.
    fn set_learning_rate(&mut self, learning_rate: f64);

    /// Sets the weight decay, for a group of parameters. By default, a rule has none.
    ///
    /// # Errors
    /// [`Error::Range`] if the rule has no weight decay.
    fn set_weight_decay(&mut self, weight_decay: f64) -> Result<()> {
        let accepted = "no weight decay, as this optimiser has none";
        Err(Error::range("weight_decay", weight_decay, accepted))
    }

    /// Makes a step of one parameter, its `count`-th with a gradient, counted from 1. Settings and arguments have been
    /// checked.
    ///
    /// # Errors
    /// Errors of the operations.
    fn step(&self, value: &Var, memory: &[Var], gradient: &Tensor, count: f64) -> Result<()>;

    /// Adds the same step to `steps`, as one of theirs at most; on a CUDA device they make several in one launch. By default, makes those that
    /// wait, and then this one by [`UpdateRule::step`].
    ///
    /// # Errors
    /// Errors of the operations, and of steps that waited.
    fn add_step(
        &self,
        steps: &mut Steps,
        value: &Var,
        memory: &[Var],
        gradient: &Tensor,
        count: f64,
    ) -> Result<()> {
        steps.make()?;
        self.step(value, memory, gradient, count)
    }

    /// Returns a bound of the gradient in the formula, given the norm of all gradients. It is the norm itself, unless
    /// the formula adds something.
    ///
    /// # Errors
    /// Errors of the operations.
    fn gradient_bound(&self, value: &Tensor, norm: f64) -> Result<f64> {
        let _ = value;
        Ok(norm)
    }

    /// Returns whether a step surely leaves finite numbers, if all are finite before it. Other steps are made on copies
    /// first; by default, these are all steps.
    fn is_harmless(&self, bounds: &Bounds) -> bool {
        let _ = bounds;
        false
    }
}

/// The bounds that are known before a step is made; see [`UpdateRule::is_harmless`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Bounds {
    /// The dtype of the parameter.
    pub dtype: DType,
    /// The number of elements of the parameter.
    pub elements: usize,
    /// The number of the step, counted from 1.
    pub count: f64,
    /// A bound of the gradient's norm: the largest [`gradient_bound`](UpdateRule::gradient_bound) of this step.
    pub gradient: f64,
    /// The largest such bound of all steps so far. If the memory has been restored or lent, the norm of its first
    /// tensor counts in place of the gradients before.
    pub largest: f64,
}

impl Bounds {
    /// Whether a bound of the squares of gradients can be held.
    pub(super) fn squares_fit(&self) -> bool {
        self.gradient
            < match self.dtype {
                DType::F32 => 1e19,
                _ => 1e154,
            }
    }

    /// Whether numbers of this size are finite in the dtype, and a few of them can be added.
    pub(super) fn fits(&self, size: f64) -> bool {
        size < match self.dtype {
            DType::F32 => 2f64.powi(120),
            _ => 2f64.powi(1000),
        }
    }

    /// Whether a parameter that is multiplied by `decay` and then changed by less than `change` stays finite: the change is less
    /// than half the spacing of the largest numbers. (Factors of the change have to fit, too: infinity times 0 is NaN.)
    pub(super) fn is_small(&self, decay: f64, change: f64) -> bool {
        let spacing = match self.dtype {
            DType::F32 => 2f64.powi(102),
            _ => 2f64.powi(969),
        };
        change < spacing && (0.0..=1.0).contains(&decay)
    }
}
