//! Kernels as functions of their own for each instruction set.
//!
//! pulp's functions are compiled wherever they are called, and plain code is even inlined there. These are compiled once
//! for each kernel.

use pulp::{Arch, Simd, WithSimd};

/// Calls a kernel compiled for the widest instruction set that the machine has.
#[inline(never)]
pub(crate) fn dispatch<K: WithSimd>(kernel: K) -> K::Output {
    Arch::new().dispatch(kernel)
}

/// Calls a kernel, from within another one, in a function of its own.
#[inline(never)]
pub(crate) fn vectorize<S: Simd, K: WithSimd>(simd: S, kernel: K) -> K::Output {
    if S::IS_SCALAR {
        kernel.with_simd(simd)
    } else {
        simd.vectorize(kernel)
    }
}
