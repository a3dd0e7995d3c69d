//! The networks of EDM (Karras et al. 2022), [`SongUNet`] and [`DhariwalUNet`], and that of EDM2 (Karras et al. 2024),
//! [`Edm2UNet`].

mod attention;
mod backbone;
mod block;
mod classes;
mod decoder;
mod dhariwal_unet;
mod encoder;
mod labels;
mod law;
mod mapping;
mod noise_embedding;
mod paths;
mod plan;
mod preserving;
mod settings;
mod song_unet;
mod style;

pub use dhariwal_unet::{DhariwalUNet, DhariwalUNetConfig};
pub use noise_embedding::NoiseEmbedding;
pub use paths::{SongDecoder, SongEncoder};
pub use preserving::{Edm2UNet, Edm2UNetConfig, NoiseUncertainty, WeightNormalization};
pub use song_unet::{SongUNet, SongUNetConfig};
