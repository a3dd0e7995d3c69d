//! Kernels for CUDA devices, on candle's tensors.
//!
//! Their sources are the `.cu` files beside the modules. NVRTC compiles them for the device at hand, each family of kernels for each
//! element type when it is first needed. Elements are f32, f64, f16 or bf16; arithmetic and sums are in f64 for f64, else in f32.
//! Sums are cut at places that depend on shapes alone, so the same input gives the same bits on the same kind of device.
//!
//! Arguments are contiguous, of one type, on one device: what calls these functions has seen to that.

pub mod activation;
pub mod attention;
pub mod combine;
pub mod convolution;
pub mod dropout;
mod factors;
mod fresh;
pub mod gate;
pub mod gated_recurrence;
pub mod group_norm;
mod launch;
pub mod layer_norm;
pub mod layers;
pub mod log_softmax;
pub mod masters;
pub mod memory;
mod moments;
pub mod norm;
mod pieces;
pub mod planes;
mod pointwise;
mod product;
pub mod random;
pub mod rotary;
mod rows;
pub mod scaled_error;
pub mod softmax;
mod source;
pub mod squared_errors;
mod sums;
#[cfg(test)]
mod tests;
pub mod update;

pub use fresh::Fresh;
pub use pieces::TENSORS;
pub use product::product;

use launch::{Argument, Grid, device_of, launch};
use source::Family;
