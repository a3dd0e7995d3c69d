//! Mish.

use advect_core::Result;
use advect_nn::Activation;
use advect_ops::Value;

/// `x tanh(ln(1 + eˣ))` (Misra 2019, eq. 1).
pub(super) fn mish<V: Value>(x: &V) -> Result<V> {
    let soft = Activation::Softplus.apply(x)?;
    x.times(&Activation::Tanh.apply(&soft)?)
}
