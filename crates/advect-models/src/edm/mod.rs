//! The networks of EDM (Karras et al. 2022): [`SongUNet`] and [`DhariwalUNet`].

mod attention;
mod backbone;
mod block;
mod decoder;
mod dhariwal_unet;
mod encoder;
mod labels;
mod law;
mod mapping;
mod noise_embedding;
mod paths;
mod plan;
mod settings;
mod song_unet;
mod style;

pub use dhariwal_unet::{DhariwalUNet, DhariwalUNetConfig};
pub use noise_embedding::NoiseEmbedding;
pub use paths::{SongDecoder, SongEncoder};
pub use song_unet::{SongUNet, SongUNetConfig};
