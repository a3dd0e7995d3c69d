//! State that can be stored and restored by name.

use std::collections::BTreeMap;

use advect_core::{Error, Result};
use candle_core::{Tensor, Var};

/// Named tensors, sorted by name.
pub type State = BTreeMap<String, Tensor>;

/// Something whose state is a list of named variables: parameters, averages, an optimiser's moments.
/// Checkpoints store and restore any of these.
///
/// ```
/// use advect_models::Stateful;
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
    /// The variables that make up the state, each under a name of its own, in a fixed order.
    fn variables(&self) -> Vec<(String, Var)>;

    /// The state: tensors that share the variables' storage.
    fn state(&self) -> State {
        let variables = self.variables().into_iter();
        variables
            .map(|(name, var)| (name, var.as_detached_tensor()))
            .collect()
    }

    /// Checks that a state has the names, shapes and dtypes of this one.
    ///
    /// # Errors
    /// [`Error::Range`] for names that are missing or not known, [`Error::Shape`] or [`Error::DType`]
    /// for a tensor that does not fit, each naming the tensor.
    fn validate(&self, state: &State) -> Result<()> {
        let variables = self.variables();
        for (name, var) in &variables {
            let Some(tensor) = state.get(name) else {
                return Err(Error::range(
                    name.clone(),
                    "no tensor",
                    "one tensor of this name",
                ));
            };
            if tensor.dims() != var.dims() {
                return Err(Error::shape(
                    name.clone(),
                    tensor.dims(),
                    format!("{:?}", var.dims()),
                ));
            }
            if tensor.dtype() != var.dtype() {
                return Err(Error::dtype(
                    name.clone(),
                    tensor.dtype(),
                    format!("{:?}", var.dtype()),
                ));
            }
        }
        let known = |name: &String| variables.iter().any(|(n, _)| n == name);
        match state.keys().find(|name| !known(name)) {
            Some(name) => Err(Error::range(
                name.clone(),
                "a tensor",
                "no tensor of this name",
            )),
            None => Ok(()),
        }
    }

    /// Takes over the values of a state, on whatever device they are. Nothing changes unless all fits.
    ///
    /// # Errors
    /// As [`Stateful::validate`].
    fn restore(&self, state: &State) -> Result<()> {
        self.validate(state)?;
        for (name, var) in self.variables() {
            if let Some(tensor) = state.get(&name) {
                // A copy, since the state may share storage with this very variable.
                var.set(&tensor.copy()?.to_device(var.device())?)?;
            }
        }
        Ok(())
    }
}
