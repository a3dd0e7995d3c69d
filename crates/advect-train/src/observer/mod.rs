//! Observers of training, which are told of each step: any [`Observer<Trainer<O>>`](advect_core::Observer).
//!
//! They see the [`Trainer`](crate::Trainer) itself after the step: its [report](crate::Trainer::report), its averages
//! to sample with, and everything that a checkpoint holds.
//!
//! | observer | does |
//! | --- | --- |
//! | [`Checkpointing`] | saves the run after every n-th step |
//! | `advect_core::Progress` | draws a progress bar (feature `progress`, on by default) |
//! | [`observer_fn`](advect_core::observer_fn) | calls a closure |
//! | [`stop_when`](advect_core::stop_when) | stops the run when a condition holds |
//! | `(a, b)` | tells both |

mod advance;
mod checkpointing;

pub use checkpointing::Checkpointing;
