//! Optimal transport between point clouds: pairwise [`Cost`]s, the exact [`assignment`], the [`ExactPlan`] between unequal
//! sizes and weights, entropic plans by [`Sinkhorn`]'s iterations, and [`Semidiscrete`] transport from a sampled law to
//! fixed points.
//!
//! Couplings of training pairs and Wasserstein distances use this crate.
//!
//! ```
//! use advect_transport::{Cost, assignment};
//! use candle_core::{Device, Tensor};
//! # fn main() -> advect_core::Result<()> {
//! let x = Tensor::new(&[[0.0f64], [1.0], [2.0]], &Device::Cpu)?;
//! let y = Tensor::new(&[[2.1f64], [0.1], [1.1]], &Device::Cpu)?;
//! let cost = Cost::squared_euclidean(&x, &y)?;
//! assert_eq!(assignment(&cost)?, [(0, 1), (1, 2), (2, 0)]); // pairs (row, column)
//! # Ok(())
//! # }
//! ```

mod assignment;
mod cost;
#[cfg(test)]
mod degenerate;
mod exact_plan;
mod points;
mod scan;
mod semidiscrete;
mod simplex;
mod sinkhorn;
mod sums;
mod weights;
mod work;

pub use assignment::assignment;
pub use cost::Cost;
pub use exact_plan::{Entry, ExactPlan};
pub use points::Points;
pub use semidiscrete::{Semidiscrete, SemidiscretePlan};
pub use sinkhorn::{Plan, Sinkhorn, SinkhornDivergence};
