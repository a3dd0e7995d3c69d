//! Updates of parameters where they lie: no temporaries, no graph.

mod adamw;
mod average;
mod gradients;

pub use adamw::{AdamWRates, adamw};
pub use average::average;
pub use gradients::{norm, scale};

use advect_core::Result;
use candle_core::{Tensor, Var};

use crate::cpu;

/// Whether tensors can be changed by kernels: f32 or f64, contiguous, in the CPU's memory.
fn in_place(tensors: &[&Tensor]) -> bool {
    cpu::fits(tensors) && tensors.iter().all(|x| x.is_contiguous())
}

/// A contiguous tensor that does not lie in the memory of variables which are about to be locked; a copy if it did.
fn apart(x: Tensor, variables: &[&Var]) -> Result<Tensor> {
    let address = |x: &Tensor| {
        let (storage, _) = x.storage_and_layout();
        std::ptr::from_ref(&*storage).addr()
    };
    let mine = address(&x);
    if x.is_contiguous() && variables.iter().all(|var| address(var) != mine) {
        return Ok(x);
    }
    Ok(x.force_contiguous()?)
}

/// Elements in a piece of work.
const PIECE: usize = 16_384;
