//! Kernels as separate functions for each instruction set.
//!
//! pulp's functions are compiled wherever they are called, and plain code is even inlined there. These are compiled once
//! for each kernel.

use pulp::{Arch, Simd, WithSimd};

/// The instruction set with which kernels are tested.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Level {
    Scalar,
    Avx2,
    Widest,
}

#[cfg(test)]
thread_local! {
    pub(crate) static LEVEL: std::cell::Cell<Level> = const { std::cell::Cell::new(Level::Widest) };
}

/// Calls a kernel compiled for the widest instruction set that the machine has.
#[inline(never)]
pub(crate) fn dispatch<K: WithSimd>(kernel: K) -> K::Output {
    #[cfg(test)]
    match LEVEL.get() {
        Level::Scalar => return kernel.with_simd(pulp::Scalar),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => {
            if let Some(simd) = pulp::x86::V3::try_new() {
                return Simd::vectorize(simd, kernel);
            }
        }
        _ => {}
    }
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
