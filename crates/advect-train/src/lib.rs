//! Training: [`AdamW`], gradient clipping, learning rates, exponential moving averages, checkpoints,
//! and a [`Trainer`] that puts them together. Each piece works without the others.
//!
//! ```
//! use advect_core::{Field, Generator, Key, Time};
//! use advect_models::Mlp;
//! use advect_nn::ParameterStore;
//! use advect_train::{AdamW, AdamWConfig, Trainer};
//! use candle_core::{DType, Device, Tensor};
//! # fn main() -> advect_core::Result<()> {
//! let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
//! let net = Mlp::config(1).hidden(&[32]).build(&store.builder())?;
//! let config = AdamWConfig { learning_rate: 1e-2, ..AdamWConfig::default() };
//! let optimizer = AdamW::from_store(&store, config)?;
//! let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(1)).clip_norm(1.0)?;
//! let mut last = f64::INFINITY;
//! let loss = |_: usize, rng: &mut Generator| {
//!     let x = rng.normal((64, 1), DType::F32, &Device::Cpu)?;
//!     Ok((net.at(&Time::Shared(0.0), &x)? - x.sin()?)?.sqr()?.mean_all()?)
//! };
//! trainer.run(200, loss, &mut |report: &advect_train::StepReport| last = report.loss)?;
//! assert!(last < 0.02, "{last}");
//! # Ok(())
//! # }
//! ```

mod adamw;
mod checkpoint;
mod clip;
pub mod decay;
mod ema;
pub mod learning_rate;
mod name_pattern;
pub mod observer;
mod stateful_optimizer;
mod trainer;

pub use adamw::{AdamW, AdamWConfig};
pub use checkpoint::Checkpoint;
pub use clip::{clip_norm, gradient_norm};
pub use ema::Ema;
pub use stateful_optimizer::StatefulOptimizer;
pub use trainer::{StepReport, Trainer};
