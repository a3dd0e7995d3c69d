//! Trajectory inference: from [`Snapshots`] of a population at a few times, without links between samples at different times,
//! to a velocity, a drift or a potential that carries each snapshot to the next.
//!
//! | item | meaning |
//! | --- | --- |
//! | [`Snapshots`], [`Snapshot`] | the samples that were seen at each time |
//! | [`path`] | curves through samples of the snapshots: [`Chain`](path::Chain)s of pairs, [`Spline`](path::Spline)s |
//! | [`objective`] | losses: [`FlowMatching`](objective::FlowMatching) and [`ActionMatching`](objective::ActionMatching) on curves, the likelihood of all snapshots, the distance of simulated populations |
//! | [`MassFlow`], [`GrowthFlow`] | samples that move and change their masses |
//! | [`Comparison`] | distances of predicted samples from those that were seen, with their floor |
//!
//! ```
//! use advect_core::{Generator, field_fn};
//! use advect_paths::coupling::ExactOt;
//! use advect_paths::{path::Affine, schedule::CondOt};
//! use advect_trajectories::Snapshots;
//! use advect_trajectories::objective::FlowMatching;
//! use advect_trajectories::path::Chain;
//! use candle_core::{DType, Device};
//! # fn main() -> advect_core::Result<()> {
//! // A population that moves to the right, by 1 in one unit of time and by 6 in the next two.
//! let mut rng = Generator::from_seed(0);
//! let start = rng.normal((200, 2), DType::F32, &Device::Cpu)?;
//! let snapshots = Snapshots::new(&[0.0, 1.0, 3.0], &[start.clone(), (&start + 1.0)?, (&start + 7.0)?])?;
//!
//! let objective = FlowMatching::new(Chain::new(ExactOt, Affine::new(CondOt::default()), 200)?);
//! let truth = field_fn(|t, x| t.coefficient(|t| if t < 1.0 { 1.0 } else { 3.0 })?.times(&x.ones_like()?));
//! // The same samples in another order are paired up with themselves.
//! let loss = objective.loss(&truth, &snapshots, &mut rng)?;
//! assert!(loss.to_scalar::<f32>()? < 0.2);
//! # Ok(())
//! # }
//! ```

mod comparison;
mod growth_flow;
mod mass_flow;
pub mod objective;
pub mod path;
mod snapshots;

pub use advect_data::Standardization;
pub use comparison::{Comparison, Distances};
pub use growth_flow::GrowthFlow;
pub use mass_flow::MassFlow;
pub use snapshots::{Snapshot, Snapshots};
