//! Groups of parameters that are trained differently from the rest.

use std::fmt;

use advect_core::{Error, Result, check};

use crate::name_pattern::matches;
use crate::trainer::roles::list;

/// A group of parameters, chosen by a pattern of their names, with the settings that differ for them.
///
/// A [`Trainer`](crate::Trainer::group) takes groups, and so does an optimiser without a trainer
/// ([`StatefulOptimizer::group`](crate::StatefulOptimizer::group)). A parameter may be in several groups: each setting
/// is taken from the last group that has it, and a parameter that one group freezes stays frozen.
///
/// ```
/// use advect_core::{Generator, Key};
/// use advect_nn::{Linear, ParameterStore};
/// use advect_train::{AdamW, AdamWConfig, ParameterGroup, Trainer};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let encoder = Linear::new(2, 2, &store.builder().pp("encoder"))?;
/// let head = Linear::new(2, 1, &store.builder().pp("head"))?;
/// let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
/// let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(0))
///     .group(ParameterGroup::matching("encoder.*").frozen())?
///     .group(ParameterGroup::matching("*.bias").weight_decay(0.0).rate_factor(2.0))?;
/// let before = (encoder.bias().to_vec1::<f64>()?, head.bias().to_vec1::<f64>()?[0]);
/// let x = Tensor::ones((1, 2), DType::F64, &Device::Cpu)?;
/// trainer.update(&head.forward(&encoder.forward(&x)?)?.sum_all()?)?;
/// assert_eq!(encoder.bias().to_vec1::<f64>()?, before.0);
/// // Twice the rate of 1e-3, and no decay.
/// assert!((head.bias().to_vec1::<f64>()?[0] - (before.1 - 2e-3)).abs() < 1e-10);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "param_groups")]
#[doc(alias = "parameter group")]
#[doc(alias = "freeze")]
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ParameterGroup {
    /// The pattern of the names, in which `*` stands for any characters.
    pub pattern: String,
    /// The factor of the learning rate, if the group has its own.
    pub rate_factor: Option<f64>,
    /// The weight decay, if the group has its own.
    pub weight_decay: Option<f64>,
    /// Whether steps leave the parameters as they are.
    pub frozen: bool,
    /// Whether losses may leave the parameters out from the first step on.
    pub may_be_unused: bool,
}

impl ParameterGroup {
    /// Creates a group of the parameters with this name. In the name, `*` stands for any characters.
    pub fn matching(name: &str) -> Self {
        ParameterGroup {
            pattern: name.to_string(),
            rate_factor: None,
            weight_decay: None,
            frozen: false,
            may_be_unused: false,
        }
    }

    /// Multiplies the learning rate of each step by a factor, not below 0.
    #[doc(alias = "lr_mult")]
    pub fn rate_factor(self, factor: f64) -> Self {
        ParameterGroup {
            rate_factor: Some(factor),
            ..self
        }
    }

    /// Sets a weight decay, not below 0, in place of the optimiser's.
    pub fn weight_decay(self, decay: f64) -> Self {
        ParameterGroup {
            weight_decay: Some(decay),
            ..self
        }
    }

    /// Leaves the parameters as they are, whatever their gradients are. Their gradients do not count in the norm.
    #[doc(alias = "requires_grad")]
    #[doc(alias = "freeze")]
    pub fn frozen(self) -> Self {
        ParameterGroup {
            frozen: true,
            ..self
        }
    }

    /// Allows losses to leave out the parameters from the first step on, as with a branch that is not always taken.
    pub fn may_be_unused(self) -> Self {
        ParameterGroup {
            may_be_unused: true,
            ..self
        }
    }

    /// Returns whether a parameter with this name is in the group.
    pub fn contains(&self, name: &str) -> bool {
        matches(&self.pattern, name)
    }

    /// Checks that the settings are in their ranges, and that some of the given names are in the group.
    ///
    /// # Errors
    /// [`Error::Range`] naming the setting, or listing the names.
    pub fn check<'a>(&self, names: impl IntoIterator<Item = &'a String>) -> Result<()> {
        if let Some(factor) = self.rate_factor {
            check::non_negative("rate_factor", factor)?;
        }
        if let Some(decay) = self.weight_decay {
            check::non_negative("weight_decay", decay)?;
        }
        let names: Vec<&String> = names.into_iter().collect();
        if names.iter().any(|name| self.contains(name)) {
            return Ok(());
        }
        let accepted = format!(
            "a parameter's name, or one with * for any characters ({})",
            list(names)
        );
        let given = format!("\"{}\"", self.pattern);
        Err(Error::range("pattern", given, accepted))
    }

    /// Whether the optimiser has to know of it.
    pub(crate) fn has_settings(&self) -> bool {
        self.rate_factor.is_some() || self.weight_decay.is_some()
    }
}

/// Shows the settings of the group, as in `frozen` or `rate × 0.1, weight decay 0`.
impl fmt::Display for ParameterGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let factor = self.rate_factor.map(|factor| format!("rate × {factor}"));
        let decay = (self.weight_decay).map(|decay| format!("weight decay {decay}"));
        let frozen = self.frozen.then(|| "frozen".to_string());
        let all: Vec<String> = [factor, decay, frozen].into_iter().flatten().collect();
        f.write_str(&all.join(", "))
    }
}
