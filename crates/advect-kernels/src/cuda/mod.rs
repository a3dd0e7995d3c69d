//! Kernels for CUDA devices, on candle's tensors.
//!
//! Their sources are the `.cu` files beside the modules. NVRTC compiles them for the device at hand, each family of kernels for each
//! element type when it is first needed. Elements are f32, f64, f16 or bf16; arithmetic and sums are in f64 for f64, else in f32.
//! Sums are cut at places that depend on shapes alone, so the same input gives the same bits on the same kind of device.
//!
//! Arguments are contiguous, of one type, on one device: what calls these functions has seen to that.

pub mod activation;
pub mod attention;
mod factors;
mod fresh;
pub mod gate;
pub mod gated_recurrence;
pub mod group_norm;
mod launch;
pub mod layer_norm;
pub mod log_softmax;
mod product;
pub mod rotary;
pub mod softmax;
mod source;
mod sums;
#[cfg(test)]
mod tests;

pub use fresh::Fresh;

use launch::{Argument, Grid, device_of, launch};
use source::Family;
