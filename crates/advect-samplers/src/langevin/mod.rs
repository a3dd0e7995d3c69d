//! Langevin dynamics for a density that does not change: `dx = ½ ∇ log p(x) dt + dW`.
//!
//! | chain | |
//! | --- | --- |
//! | [`Unadjusted`] | Euler and Maruyama's steps: their law is p up to an error of the step size |
//! | [`MetropolisAdjusted`] | the same steps, each accepted or rejected: their law is p |
//!
//! [`HamiltonianMonteCarlo`](crate::hamiltonian::HamiltonianMonteCarlo) samples the same densities, by longer moves. For Langevin steps along noise levels, see [`AnnealedLangevin`](crate::rule::AnnealedLangevin) and
//! [`PredictorCorrector`](crate::rule::PredictorCorrector).

pub(crate) mod acceptance;
pub(crate) mod log_density;
mod metropolis_adjusted;
pub(crate) mod places;
mod unadjusted;

pub use log_density::{Differentiated, LogDensity, MarginalAt};
pub use metropolis_adjusted::{Chain, MetropolisAdjusted};
pub use unadjusted::Unadjusted;
