//! Tensor operations that candle lacks, detaches, gets wrong or does slowly.
#![allow(dead_code)]

mod activation;
mod attention;
mod avg_pool;
mod combine;
mod cpu;
mod error_norm;
mod group_norm;
mod layer_norm;
mod linear;
mod operation;
mod scale_samples;
mod sinusoids;
mod softmax;
mod squared_distances;
pub mod update;
mod upsample;
mod value;

pub use activation::Activation;
pub use attention::attention;
pub use avg_pool::avg_pool;
pub use combine::combine;
pub use error_norm::error_norm;
pub use group_norm::{group_norm, group_norm_gradients};
pub use layer_norm::{layer_norm, rms_norm};
pub use linear::{linear, mlp};
pub use scale_samples::scale_samples;
pub use sinusoids::{fourier_frequencies, sinusoidal_frequencies, sinusoids};
pub use softmax::softmax;
pub use squared_distances::squared_distances;
pub use upsample::upsample_nearest;
pub use value::{Dual, Value};
