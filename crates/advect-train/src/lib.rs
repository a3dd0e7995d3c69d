//! Training: optimisers, groups of parameters, learning rates, averages, checkpoints, and a [`Trainer`] that combines
//! them. Each piece works without the others.
//!
//! | piece | purpose |
//! | --- | --- |
//! | [`Trainer`] | the loop, and its steps: [`gradients`](Trainer::gradients) of a loss, and their application by [`apply`](Trainer::apply) |
//! | [`Gradients`] | gradients by name, with their loss: to add, average, clip and inspect |
//! | [`AdamW`], [`Adam`], [`Sgd`], [`Lion`], [`Muon`] | optimisers, made of a formula for one parameter ([`optimizer`]) |
//! | [`ParameterGroup`] | parameters with their own learning rate or weight decay, frozen, or not always in use |
//! | [`learning_rate`] | learning rates as functions of the step |
//! | [`Ema`], [`decay`] | averages of parameters |
//! | [`Checkpoint`], [`CheckpointFolder`] | everything that a run needs to continue, in one file; the last of them and the best |
//! | [`DataParallel`] | a trainer on several processes or machines |
//! | [`Recomputed`] | fields whose insides are computed again in the backward pass, to save memory |
//! | [`observer`] | observers of a run: progress, checkpoints, validation, early stopping, logs, signals |
//!
//! ```
//! use advect_core::{Field, Generator, Key, Time};
//! use advect_models::Mlp;
//! use advect_nn::ParameterStore;
//! use advect_train::{AdamW, AdamWConfig, ParameterGroup, Trainer};
//! use candle_core::{DType, Device};
//! # fn main() -> advect_core::Result<()> {
//! let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
//! let net = Mlp::config(1).hidden(&[32]).build(&store.builder())?;
//! let config = AdamWConfig { learning_rate: 1e-2, ..AdamWConfig::default() };
//! let optimizer = AdamW::from_store(&store, config)?;
//! let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(1))
//!     .clip_norm(1.0)?
//!     .group(ParameterGroup::matching("*.bias").weight_decay(0.0))?;
//! let loss = |_: usize, rng: &mut Generator| {
//!     let x = rng.normal((64, 1), DType::F32, &Device::Cpu)?;
//!     Ok((net.at(&Time::Shared(0.0), &x)? - x.sin()?)?.sqr()?.mean_all()?)
//! };
//! trainer.run(200, loss, &mut ())?;
//! assert!(trainer.report().loss < 0.02, "{}", trainer.report().loss);
//! # Ok(())
//! # }
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

mod checkpoint;
pub mod decay;
mod ema;
mod gradients;
pub mod learning_rate;
mod locked;
mod log;
mod memory;
mod name_pattern;
pub mod observer;
pub mod optimizer;
mod parallel;
mod parameter_group;
mod recomputed;
#[cfg(feature = "signals")]
mod signals;
mod stateful_optimizer;
mod trainer;

pub use checkpoint::{After, Checkpoint, CheckpointFolder, Resumed};
pub use ema::Ema;
pub use gradients::Gradients;
pub use memory::peak_memory;
pub use optimizer::{
    Adam, AdamConfig, AdamW, AdamWConfig, Lion, LionConfig, Momentum, Muon, MuonConfig, Sgd,
    SgdConfig,
};
pub use parallel::DataParallel;
pub use parameter_group::ParameterGroup;
pub use recomputed::Recomputed;
#[cfg(feature = "signals")]
pub use signals::{Signal, Signals};
pub use stateful_optimizer::StatefulOptimizer;
pub use trainer::{LossScale, NonFinite, RunEnd, StepReport, Trainer};
