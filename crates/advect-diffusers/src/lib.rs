//! Networks, schedulers and whole folders in the formats of diffusers, with the names and the configurations of
//! the published checkpoints.
//!
//! | item | meaning |
//! | --- | --- |
//! | [`Pipeline`] | a folder: network, scheduler, and perhaps an autoencoder, with their weights |
//! | [`UNet2d`] | the U-Net of DDPM's and score SDEs' checkpoints, `UNet2DModel` |
//! | [`UNet1d`] | the U-Net of diffusion policies, `UNet1DModel` |
//! | [`DitTransformer2d`] | the diffusion transformer, `DiTTransformer2DModel` |
//! | [`AutoencoderKl`] | the variational autoencoder of latent diffusion, `AutoencoderKL` |
//! | [`Scheduler`] | a `scheduler_config.json` as schedule, prediction, network times and sampler |
//! | [`published`](fn@published) | weights under the names of today |
//! | [`Config`] | a `config.json`, read key by key; keys that were not read are refused |
#![cfg_attr(docsrs, feature(doc_cfg))]

mod autoencoder_kl;
mod block;
mod config;
mod dit_transformer2d;
mod pipeline;
mod published;
mod scheduler;
mod unet1d;
mod unet2d;

pub use autoencoder_kl::{AutoencoderKl, AutoencoderKlConfig, LatentGaussian};
pub use config::{Config, FromJson};
pub use dit_transformer2d::{DitTransformer2d, DitTransformer2dConfig};
pub use pipeline::{Pipeline, PipelineNetwork};
pub use published::published;
pub use scheduler::{NetworkTimes, PathSchedule, Scheduled, Scheduler, SchedulerSampler};
pub use unet1d::{UNet1d, UNet1dConfig};
pub use unet2d::{UNet2d, UNet2dConfig};
