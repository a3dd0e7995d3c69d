//! Updates of parameters in place, without temporaries or a graph.
//!
//! | update | purpose |
//! | --- | --- |
//! | [`descend`] | a step along a direction, with decay |
//! | [`momentum`] | stochastic gradient descent with momentum, classical or Nesterov's |
//! | [`adamw`] | Adam and AdamW |
//! | [`lion`] | Lion |
//! | [`average`] | an exponential moving average |
//!
//! [`together`] makes steps of several parameters, on a CUDA device in fewer launches. [`norm`] and [`scale`] are for gradients. [`follow`], [`round`] and [`widen`] are for parameters of 16 bits, whose steps are made on copies in f32.

mod adamw;
mod average;
mod descend;
mod elementwise;
mod gradients;
mod lion;
pub(crate) mod masters;
mod momentum;
mod steps;

pub use adamw::adamw;
#[doc(inline)]
pub use advect_kernels::update::{AdamWRates, LionRates, MomentumRates};
pub use average::average;
pub use descend::descend;
pub use gradients::{norm, scale};
pub use lion::lion;
pub use masters::{follow, round, widen};
pub use momentum::momentum;
pub use steps::{Steps, together};

use advect_core::{Error, Result};
use candle_core::{Tensor, Var};

use crate::cpu;

/// Whether tensors can be changed by kernels: f32 or f64, contiguous, in the CPU's memory.
fn in_place(tensors: &[&Tensor]) -> bool {
    cpu::fits(tensors) && tensors.iter().all(|x| x.is_contiguous())
}

/// Whether tensors can be changed by kernels for CUDA: floats, contiguous, on a device.
#[cfg(feature = "cuda")]
fn on_cuda(tensors: &[&Tensor]) -> bool {
    crate::cuda::fits(tensors) && tensors.iter().all(|x| x.is_contiguous())
}

/// Checks that each element of a variable has a separate place.
fn apart_from_itself(argument: &'static str, var: &Var) -> Result<()> {
    if var.layout().has_internal_overlap() {
        let given = format!("a variable with strides {:?}", var.stride());
        return Err(Error::range(
            argument,
            given,
            "a variable with a place for each element",
        ));
    }
    Ok(())
}

/// Whether two tensors lie in one storage.
pub(crate) fn share_memory(x: &Tensor, y: &Tensor) -> bool {
    place(x) == place(y)
}

/// A number for the storage that a tensor lies in, another one for each storage.
pub(crate) fn place(x: &Tensor) -> usize {
    let (storage, _) = x.storage_and_layout();
    std::ptr::from_ref(&*storage).addr()
}

/// A contiguous tensor that does not lie in the memory of variables which are about to be changed; a copy if it did.
pub(crate) fn apart(x: Tensor, variables: &[&Var]) -> Result<Tensor> {
    if x.is_contiguous() && !variables.iter().any(|var| share_memory(var, &x)) {
        return Ok(x);
    }
    Ok(x.force_contiguous()?)
}
