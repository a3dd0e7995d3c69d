//! Gradients of losses by all parameters of a store, against finite differences.

use advect_core::Result;
use advect_core::testing::{assert_close, gradient};
use advect_nn::ParameterStore;
use candle_core::Tensor;

use crate::common::{normal, scalar};

/// Moves every parameter by normal numbers of a deviation, so that none is where it began.
pub(crate) fn spread(store: &ParameterStore, scale: f64) {
    for (k, var) in store.vars().iter().enumerate() {
        let change = normal(var.dims(), scale, 100 + k as u64);
        let change = change.to_dtype(var.dtype()).unwrap();
        var.set(&(var.as_tensor() + change).unwrap().detach())
            .unwrap();
    }
}

/// Panics unless the gradient of a loss by each parameter, of f64, is that of differences.
#[track_caller]
pub(crate) fn assert_gradients(
    store: &ParameterStore,
    loss: impl Fn() -> Result<Tensor>,
    within: f64,
) {
    let gradients = loss().unwrap().backward().unwrap();
    for (name, var) in store.parameters() {
        let value = var.as_detached_tensor().copy().unwrap();
        let at = |x: &Tensor| {
            var.set(x)?;
            Ok(scalar(&loss()?))
        };
        let expected = gradient(at, &value, 1e-3).unwrap();
        var.set(&value).unwrap();
        let found = gradients.get(&var);
        let found = found.unwrap_or_else(|| panic!("{name} has no gradient"));
        assert_close(found, &expected, within, within);
    }
}
