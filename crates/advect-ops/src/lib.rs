//! Tensor operations that candle lacks, detaches, gets wrong or does slowly.
#![allow(dead_code)]

mod activation;
mod combine;
mod cpu;
mod error_norm;
mod linear;
mod operation;
mod scale_samples;
mod sinusoids;
pub mod update;
mod value;

pub use activation::Activation;
pub use combine::combine;
pub use error_norm::error_norm;
pub use linear::{linear, mlp};
pub use scale_samples::scale_samples;
pub use sinusoids::{fourier_frequencies, sinusoidal_frequencies, sinusoids};
pub use value::{Dual, Value};
