//! Layers and their cost.

mod convolution_layer;
mod cost;
mod group_norm;
mod linear;
mod modulation;
mod patches;

pub use convolution_layer::ConvolutionLayer;
pub use cost::Cost;
pub use group_norm::GroupNorm;
pub use linear::Linear;
pub use modulation::Modulation;
pub use patches::Patches;
