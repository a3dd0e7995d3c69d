//! Data: two-dimensional [`toy`] distributions, handwritten [`Digits`], [`images`] from files, arrays of NumPy,
//! [`Table`]s from files of comma-separated values ([`Csv`]), and shuffled [`Batches`], which [`Prefetched`] makes ahead of time.
//! Samples are written by [`write_npy`], [`write_npz`] and [`write_csv`], and as pictures by `images::write_grid`.
//!
//! Columns of tables are learned as numbers of mean 0 and deviation 1, by [`Standardization`]. Images are kept as bytes; [`Normalization`] converts them to numbers, and [`flip_horizontally`] mirrors them.
//!
//! ```
//! use advect_core::{Generator, Key};
//! use advect_data::{Batches, Digits, toy::{Toy, TwoMoons}};
//! use candle_core::{DType, Device};
//! # fn main() -> advect_core::Result<()> {
//! let moons = TwoMoons::default().sample(1000, DType::F32, &Device::Cpu, &mut Generator::from_seed(0))?;
//! assert_eq!(moons.dims(), [1000, 2]);
//!
//! let digits = Digits::load(DType::F32, &Device::Cpu)?;
//! let batches = Batches::new(digits.len(), 64, Key::from_seed(0))?;
//! let [images, labels] = batches.at(0, [&digits.images, &digits.labels])?;
//! assert_eq!((images.dims(), labels.dims()), (&[64, 1, 8, 8][..], &[64][..]));
//! # Ok(())
//! # }
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

mod batches;
mod csv;
mod digits;
mod flip;
pub mod images;
mod normalization;
mod npy;
mod prefetched;
mod source;
mod split;
mod standardization;
mod table;
pub mod toy;
mod write_npy;

pub use batches::Batches;
pub use csv::{read_csv, write_csv};
pub use digits::Digits;
pub use flip::flip_horizontally;
pub use normalization::Normalization;
pub use npy::{read_npy, read_npz};
pub use prefetched::Prefetched;
pub use split::split;
pub use standardization::Standardization;
pub use table::{Column, Csv, Missing, Table};
pub use write_npy::{write_npy, write_npz};
