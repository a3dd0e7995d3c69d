//! Named state that can be stored and restored.

use std::collections::BTreeMap;

use advect_core::Result;
use candle_core::{Tensor, Var};

use crate::store::misfit::Misfit;

/// Named tensors, sorted by name.
#[doc(alias = "state_dict")]
pub type State = BTreeMap<String, Tensor>;

/// An object whose state is a list of named variables: parameters, averages, an optimiser's moments. Checkpoints store
/// and restore any such object.
///
/// ```
/// use advect_nn::Stateful;
/// use candle_core::{Device, Var};
///
/// struct Counter(Var);
/// impl Stateful for Counter {
///     fn variables(&self) -> Vec<(String, Var)> {
///         vec![("count".into(), self.0.clone())]
///     }
/// }
///
/// # fn main() -> advect_core::Result<()> {
/// let (a, b) = (Counter(Var::new(5f64, &Device::Cpu)?), Counter(Var::new(0f64, &Device::Cpu)?));
/// b.restore(&a.state())?;
/// assert_eq!(b.0.to_scalar::<f64>()?, 5.0);
/// # Ok(())
/// # }
/// ```
pub trait Stateful {
    /// Returns the variables that make up the state, each under a different name, in a fixed order.
    fn variables(&self) -> Vec<(String, Var)>;

    /// Returns the state: tensors that share the variables' storage.
    #[doc(alias = "state_dict")]
    fn state(&self) -> State {
        let variables = self.variables().into_iter();
        variables
            .map(|(name, var)| (name, var.as_detached_tensor()))
            .collect()
    }

    /// Checks that a state has the names, shapes and dtypes of this one.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for a name that is missing or not known, [`Error::Shape`](advect_core::Error::Shape) or [`Error::DType`](advect_core::Error::DType) for a tensor that
    /// does not fit, each naming the tensor; if there are several, an `Error::Range` that counts those of each kind, names
    /// the first five, and says what may be the cause.
    fn validate(&self, state: &State) -> Result<()> {
        let variables: BTreeMap<String, Var> = self.variables().into_iter().collect();
        match Misfit::new(&variables, state).error(&variables, state) {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    /// Copies the values of a state, which may be on any device. Nothing changes unless all of them fit.
    ///
    /// # Errors
    /// As [`Stateful::validate`].
    #[doc(alias = "load_state_dict")]
    fn restore(&self, state: &State) -> Result<()> {
        self.validate(state)?;
        // Copies, all of them first, since the state may share storage with the variables.
        let mut values = Vec::new();
        for (name, var) in self.variables() {
            if let Some(tensor) = state.get(&name) {
                values.push((tensor.copy()?.to_device(var.device())?, var));
            }
        }
        for (value, var) in values {
            var.set(&value)?;
        }
        Ok(())
    }
}
