//! Complete networks. Their parts are in `advect-nn`.
//!
//! | network | of |
//! | --- | --- |
//! | [`Mlp`] | numbers in any shape |
//! | [`UNet`] | images and sequences: ADM as guided-diffusion and torchcfm have it |
//! | [`SongUNet`] | images: DDPM++ and NCSN++ as EDM has them |
//! | [`DhariwalUNet`] | images: ADM as EDM has it |
//! | [`Edm2UNet`] | images: EDM2's network, which preserves magnitudes; with it [`NoiseUncertainty`] and [`WeightNormalization`] |
//! | [`DiffusionTransformer`] | sequences, images and volumes: DiT and SiT |
//!
//! ```
//! use advect_core::{Field, Key, Time};
//! use advect_models::Mlp;
//! use advect_nn::{Activation, ParameterStore};
//! use candle_core::{DType, Device, Tensor};
//! # fn main() -> advect_core::Result<()> {
//! let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
//! let net = Mlp::config(2).hidden(&[64, 64]).activation(Activation::Selu).build(&store.builder())?;
//! let x = Tensor::zeros((5, 2), DType::F32, &Device::Cpu)?;
//! assert_eq!(net.at(&Time::Shared(0.5), &x)?.dims(), [5, 2]);
//! assert_eq!(store.element_count(), 3 * 64 + 64 + 64 * 64 + 64 + 64 * 2 + 2);
//! # Ok(())
//! # }
//! ```

mod edm;
mod features;
mod heads;
mod limits;
mod mlp;
mod resample;
mod residual;
mod transformer;
mod unet;

pub use edm::{
    DhariwalUNet, DhariwalUNetConfig, Edm2UNet, Edm2UNetConfig, NoiseEmbedding, NoiseUncertainty,
    SongDecoder, SongEncoder, SongUNet, SongUNetConfig, WeightNormalization,
};
pub use mlp::{Mlp, MlpConfig};
pub use transformer::{
    DiffusionTransformer, DiffusionTransformerConfig, FeedForward, PositionEmbedding, TokenNorm,
};
pub use unet::{UNet, UNetConfig};
