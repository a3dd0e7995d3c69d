//! What people have in the formats of diffusers: networks, schedulers and whole folders, with the names and the
//! configurations of the published checkpoints.
//!
//! | item | meaning |
//! | --- | --- |
//! | [`Pipeline`] | a folder: network, weights and scheduler |
//! | [`UNet2d`] | the U-Net of DDPM's and score SDEs' checkpoints, `UNet2DModel` |
//! | [`Scheduler`] | a `scheduler_config.json` as schedule, prediction, network times and sampler |
//! | [`published`](fn@published) | weights under the names of today |
//! | [`Config`] | a `config.json`, read key by key; what nobody read is refused |

mod block;
mod config;
mod pipeline;
mod published;
mod scheduler;
mod unet2d;

pub use config::{Config, FromJson};
pub use pipeline::{Pipeline, PipelineNetwork};
pub use published::published;
pub use scheduler::{NetworkTimes, PathSchedule, Scheduled, Scheduler, SchedulerSampler};
pub use unet2d::{UNet2d, UNet2dConfig};
