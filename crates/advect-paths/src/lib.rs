//! Conditional probability paths from source to target: schedules, paths, couplings and the predictions of networks on them.
//!
//! A [`Path`](path::Path) says where a pair of endpoints is at time t, and how fast it moves; a
//! [`Schedule`](schedule::Schedule) gives the coefficients of an affine path; a
//! [`Coupling`](coupling::Coupling) pairs up a batch; a [`Prediction`] is the meaning of a field's values, and
//! converts to every other; [`LearnedVariances`] may stand beside it. A [`Direction`] tells the two drifts of a stochastic process apart, [`ForwardProcess`] is the
//! SDE from data to noise along a schedule, and [`closed_form`] has the exact fields of known laws. A
//! [`TimeMap`](time_map::TimeMap) tells a network trained elsewhere the time as it knows it.
//!
//! ```
//! use advect_core::{Generator, Time};
//! use advect_paths::path::{Affine, Path};
//! use advect_paths::schedule::CondOt;
//! use candle_core::{Device, Tensor};
//! # fn main() -> advect_core::Result<()> {
//! let x0 = Tensor::new(&[[0.0f64], [0.0]], &Device::Cpu)?;
//! let x1 = Tensor::new(&[[1.0f64], [4.0]], &Device::Cpu)?;
//! let path = Affine::new(CondOt::new(0.0)?);
//! let point = path.sample(&Time::Shared(0.25), &x0, &x1, &mut Generator::from_seed(0))?;
//! assert_eq!(point.x.to_vec2::<f64>()?, [[0.25], [1.0]]);
//! assert_eq!(point.velocity()?.to_vec2::<f64>()?, [[1.0], [4.0]]);
//! # Ok(())
//! # }
//! ```

pub mod closed_form;
pub mod coupling;
mod cumulative;
mod direction;
mod forward_process;
mod gaussian_transition;
mod learned_variances;
pub mod path;
pub mod preconditioner;
mod prediction;
mod reparametrized;
mod rescheduled;
pub mod schedule;
pub mod time_map;

pub use direction::Direction;
pub use forward_process::ForwardProcess;
pub use gaussian_transition::GaussianTransition;
pub use learned_variances::LearnedVariances;
pub use prediction::{Converted, Prediction};
pub use rescheduled::Rescheduled;
