//! The network of EDM2 (Karras et al. 2024), whose layers preserve magnitudes: with weights of unit length, features of unit
//! variance stay so.

mod arithmetic;
mod attention;
mod backbone;
mod block;
mod clip;
mod edm2_unet;
mod fourier;
mod layer;
mod mapping;
mod noise_uncertainty;
mod normalize;
mod style;
mod weight_normalization;

pub use edm2_unet::{Edm2UNet, Edm2UNetConfig};
pub use noise_uncertainty::NoiseUncertainty;
pub use weight_normalization::WeightNormalization;
