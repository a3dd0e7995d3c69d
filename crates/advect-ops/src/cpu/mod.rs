//! The CPU's kernels: slices in, slices out, vectorised with run-time dispatch.
//!
//! Loops over elements are plain Rust, inlined into functions compiled for the instruction set found at run time
//! (AVX-512, AVX2 with FMA, NEON, or none), where they become vector instructions. Only the matrix product names its
//! registers. Nothing depends on the number of threads: sums are cut at fixed places.

mod buffer;
pub(crate) mod convolution;
mod dots;
mod float;
mod host;
pub(crate) mod in_place;
pub(crate) mod layers;
pub(crate) mod math;
pub(crate) mod matmul;
pub(crate) mod matrix;
mod squares;
pub(crate) mod sums;
mod vectorize;

pub(crate) use buffer::{Buffer, Unwritten, fill, keep_memory};
pub(crate) use float::Float;
pub(crate) use host::{Host, by_dtype, fits, host, hosts, tensor};
pub(crate) use vectorize::{dispatch, vectorize};
