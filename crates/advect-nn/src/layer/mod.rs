//! Layers and their cost.

mod adaptive_layer_norm;
mod convolution_layer;
mod cost;
mod group_norm;
mod linear;
mod modulation;
mod patches;
mod resampling_filter;

pub use adaptive_layer_norm::adaptive_layer_norm;
pub use convolution_layer::ConvolutionLayer;
pub use cost::Cost;
pub use group_norm::GroupNorm;
pub use linear::Linear;
pub use modulation::Modulation;
pub use patches::Patches;
pub use resampling_filter::ResamplingFilter;
