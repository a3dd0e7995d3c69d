//! What the benchmarks share. A benchmark's id names the work: shapes, tolerances, steps.

use advect::prelude::*;

/// The velocity network of torchcfm's examples: `[x, t]` through three SELU layers.
///
/// # Errors
/// Those of the store.
pub fn mlp(store: &ParameterStore, dim: usize, width: usize) -> Result<Mlp> {
    Mlp::config(dim)
        .hidden(&[width; 3])
        .activation(Activation::Selu)
        .build(&store.builder())
}

/// An empty store of f32 parameters on the CPU.
pub fn store() -> ParameterStore {
    ParameterStore::new(Key::from_seed(7), DType::F32, &Device::Cpu)
}

/// Standard normal points.
///
/// # Errors
/// Those of candle.
pub fn points(seed: u64, count: usize, dim: usize) -> Result<Tensor> {
    Generator::from_seed(seed).normal((count, dim), DType::F32, &Device::Cpu)
}
