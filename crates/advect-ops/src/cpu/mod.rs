//! Tensors in the CPU's memory, and threads, as the kernels know them: slices, and candle's own pool.

pub(crate) mod float;
mod host;
mod threads;

pub(crate) use advect_kernels::keep_memory;
pub(crate) use float::Float;
pub(crate) use host::{Host, by_dtype, fits, host, hosts, tensor};
pub(crate) use threads::THREADS;
