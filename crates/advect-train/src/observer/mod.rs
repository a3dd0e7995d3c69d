//! Observers of training, which see each step: any [`Observer<Trainer<O>>`](advect_core::Observer).
//!
//! They see the [`Trainer`](crate::Trainer) itself after the step: its [report](crate::Trainer::report), its averages
//! to sample with, and everything that a checkpoint holds.
//!
//! | observer | does |
//! | --- | --- |
//! | [`Checkpointing`] | saves the run after every n-th step |
//! | [`CheckpointFolder`](crate::CheckpointFolder) | saves the run in a folder, keeps the last checkpoints and the best |
//! | [`every`] | tells another observer of every n-th step |
//! | [`Validation`] | evaluates a score on held-out data, stops the run when it gets no better |
//! | [`MetricLog`] | logs numbers to CSV, JSON lines or TensorBoard |
//! | `Signals` | stops the run at SIGINT, SIGTERM or SIGHUP (feature `signals`, on by default) |
//! | `advect_core::Progress` | draws a progress bar (feature `progress`, on by default) |
//! | [`observer_fn`](advect_core::observer_fn) | calls a closure |
//! | [`stop_when`](advect_core::stop_when) | stops the run when a condition holds |
//! | `(a, b)` | tells both |

mod advance;
mod checkpointing;
mod every;
mod validation;

pub use crate::log::MetricLog;
pub use checkpointing::Checkpointing;
pub use every::{Every, every};
pub use validation::Validation;
