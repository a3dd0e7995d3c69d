//! Tensor operations that candle lacks, detaches, gets wrong or does slowly.
#![allow(dead_code)]

mod activation;
mod cpu;
mod linear;
mod operation;
mod sinusoids;
mod value;

pub use activation::Activation;
pub use linear::{linear, mlp};
pub use sinusoids::{fourier_frequencies, sinusoidal_frequencies, sinusoids};
pub use value::{Dual, Value};
