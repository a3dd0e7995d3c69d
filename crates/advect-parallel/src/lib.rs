//! Runs on several processes, on one machine or many: the [`Ranks`] of a run, the [`Communicator`] that connects them,
//! and the [`Shard`]s into which batches and sets of samples are cut.
//!
//! | to | see |
//! | --- | --- |
//! | run a program as one process | [`Ranks::alone`] |
//! | run it as processes of MPI, on one machine or many | `Mpi` (feature `mpi`) |
//! | test it with several ranks in one process | [`Threads`] |
//! | cut a batch or a set of samples | [`Shard`], [`Ranks::shard`] |
//! | sum, copy or collect tensors | [`Ranks::sum`], [`Ranks::broadcast`], [`Ranks::gather_rows`] |
//! | decide together | [`Ranks::agree`], [`Ranks::any`], [`Ranks::on_root`], [`Ranks::require_same`] |
//! | train on several ranks | `DataParallel` of `advect-train` |
//! | sum and copy tensors of GPUs where they are | `Nccl` (feature `nccl`) |
//! | connect ranks in another way | [`Communicator`], [`DeviceCommunicator`] |
//!
//! A program is a function of its ranks. Every rank runs all of it, and all ranks make the same collective calls in the
//! same order:
//!
//! ```
//! use advect_core::Result;
//! use advect_parallel::{Ranks, Threads};
//! use candle_core::{Device, Tensor};
//!
//! /// The mean of 12 numbers, of which each rank has its share.
//! fn program(ranks: Ranks) -> Result<f64> {
//!     let data = Tensor::arange(0f64, 12.0, &Device::Cpu)?;
//!     let mine = ranks.shard().rows(&data)?;
//!     let sum = ranks.sum(&[mine.sum_all()?])?;
//!     Ok(sum[0].to_scalar::<f64>()? / 12.0)
//! }
//!
//! # fn main() -> Result<()> {
//! assert_eq!(program(Ranks::alone())?, 5.5);
//! for result in Threads::new(3)?.run(program) {
//!     assert_eq!(result?, 5.5);
//! }
//! # Ok(())
//! # }
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

mod communicator;
mod device_communicator;
#[cfg(feature = "mpi")]
mod mpi;
#[cfg(feature = "nccl")]
mod nccl;
mod ranks;
mod shard;
mod single_process;
mod threads;
#[cfg(any(feature = "mpi", feature = "nccl"))]
mod watch;

pub use communicator::Communicator;
pub use device_communicator::DeviceCommunicator;
#[cfg(feature = "mpi")]
pub use mpi::Mpi;
#[cfg(feature = "nccl")]
pub use nccl::Nccl;
pub use ranks::{Ranks, Traffic};
pub use shard::Shard;
pub use single_process::SingleProcess;
pub use threads::Threads;
