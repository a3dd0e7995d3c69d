//! Losses of fields and potentials on curves through the snapshots.
//!
//! | objective | trains | by |
//! | --- | --- | --- |
//! | [`FlowMatching`] | a velocity | regression on the velocities of the curves |
//! | [`GrowthMatching`] | a velocity and a rate of growth | regression on those of curves whose masses change |
//! | [`ActionMatching`] | a potential, whose gradient is the velocity | the action's gap, which needs states alone |
//! | [`SnapshotLikelihood`] | a velocity, and a growth, with derivatives along directions | maximum likelihood of all snapshots (TrajectoryNet) |
//! | [`DensityPenalty`], [`direction_losses`] | anything that simulates | nearness to what was seen, and to measured directions (TrajectoryNet) |
//! | [`PopulationFit`], [`Action`] | anything that simulates: drifts and noise of SDEs | Sinkhorn divergences, and the least action |

mod action;
mod action_matching;
mod density_penalty;
mod direction;
mod flow_matching;
mod growth_matching;
mod population_fit;
mod snapshot_likelihood;

pub use action::{Action, Lagrangian, lagrangian_fn};
pub use action_matching::ActionMatching;
pub use density_penalty::DensityPenalty;
pub use direction::direction_losses;
pub use flow_matching::FlowMatching;
pub use growth_matching::GrowthMatching;
pub use population_fit::PopulationFit;
pub use snapshot_likelihood::SnapshotLikelihood;
