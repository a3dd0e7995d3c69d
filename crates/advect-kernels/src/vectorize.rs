//! Kernels as separate functions for each instruction set.
//!
//! pulp's functions are compiled wherever they are called, and plain code is even inlined there. These are compiled once
//! for each kernel.

use pulp::{Simd, WithSimd};

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

/// Calls a kernel of your own, compiled for the widest instruction set that the machine has. In WebAssembly it is that of
/// the build: vectors of 128 bits with `-C target-feature=+simd128`, and none otherwise.
///
/// ```
/// use pulp::{Simd, WithSimd};
///
/// struct Sum<'a>(&'a [f32]);
///
/// impl WithSimd for Sum<'_> {
///     type Output = f32;
///     fn with_simd<S: Simd>(self, simd: S) -> f32 {
///         let (head, tail) = S::as_simd_f32s(self.0);
///         let sum = head.iter().fold(simd.splat_f32s(0.0), |sum, x| simd.add_f32s(sum, *x));
///         simd.reduce_sum_f32s(sum) + tail.iter().sum::<f32>()
///     }
/// }
///
/// assert_eq!(advect_kernels::dispatch(Sum(&[1.0; 100])), 100.0);
/// ```
#[inline(never)]
pub fn dispatch<K: WithSimd>(kernel: K) -> K::Output {
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
    widest(kernel)
}

#[cfg(not(target_arch = "wasm32"))]
fn widest<K: WithSimd>(kernel: K) -> K::Output {
    // With `--cfg advect_avx2` kernels do as on a machine without AVX-512.
    #[cfg(all(target_arch = "x86_64", advect_avx2))]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return Simd::vectorize(simd, kernel);
    }
    pulp::Arch::new().dispatch(kernel)
}

/// A module of WebAssembly with one instruction that the machine lacks is refused as a whole, so there is nothing to choose at run
/// time, and pulp's choice would compile all in.
#[cfg(target_arch = "wasm32")]
fn widest<K: WithSimd>(kernel: K) -> K::Output {
    #[cfg(target_feature = "simd128")]
    if let Some(simd) = pulp::wasm::Simd128::try_new() {
        return Simd::vectorize(simd, kernel);
    }
    kernel.with_simd(pulp::Scalar)
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
