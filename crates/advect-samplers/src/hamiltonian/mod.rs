//! Hamiltonian Monte Carlo (Duane, Kennedy, Pendleton and Roweth, Hybrid Monte Carlo, 1987; Neal, MCMC using Hamiltonian
//! dynamics, 2011): samples of a density by the motion of a particle whose potential energy is `−log p`.
//!
//! | type | |
//! | --- | --- |
//! | [`HamiltonianMonteCarlo`] | the sampler: a step size, a number of steps, a mass matrix |
//! | [`WarmUp`] | finds step size and mass matrix by chains that are not kept |
//! | [`DualAveraging`] | the step size that accepts a wanted share of the proposals |
//! | [`MassMatrix`] | the scales of the coordinates: all alike, one for each, or a covariance |
//!
//! Densities are those of [`langevin`](crate::langevin): a [`LogDensity`](crate::langevin::LogDensity). Chains run side by side, as the samples of a batch;
//! [`diagnostics`](crate::diagnostics) tells how much their draws are worth.
//!
//! ```
//! use advect_core::{Generator, shape};
//! use advect_samplers::diagnostics::{CorrelatedMean, split_r_hat};
//! use advect_samplers::hamiltonian::{HamiltonianMonteCarlo, WarmUp};
//! use advect_samplers::langevin::Differentiated;
//! use candle_core::{DType, Device, Tensor};
//! # fn main() -> advect_core::Result<()> {
//! // N(0, 1) × N(0, 10²), whose scales the warm-up finds.
//! let scales = Tensor::new(&[[1f64, 10.0]], &Device::Cpu)?;
//! let density = Differentiated(|x: &Tensor| {
//!     Ok((shape::sum_squares_per_sample(&x.broadcast_div(&scales)?)? * -0.5)?)
//! });
//! let mut rng = Generator::from_seed(0);
//! let start = Tensor::zeros((20, 2), DType::F64, &Device::Cpu)?;
//! let warm = WarmUp::new(150)?.run(&HamiltonianMonteCarlo::new(0.1, 15)?, &density, &start, &mut rng)?;
//! let chains = warm.sampler.run(&density, &warm.x, 200, &mut rng)?;
//!
//! let second = chains.states.narrow(2, 1, 1)?.squeeze(2)?; // (steps, chains)
//! let variance = CorrelatedMean::new(&second.sqr()?)?;
//! assert!((variance.mean() - 100.0).abs() < 4.0 * variance.standard_error());
//! assert!(split_r_hat(&second)? < 1.05 && chains.divergences == 0);
//! # Ok(())
//! # }
//! ```

mod dual_averaging;
mod hamiltonian_monte_carlo;
mod mass_matrix;
mod trajectory;
mod warm_up;
mod windows;

pub use dual_averaging::DualAveraging;
pub use hamiltonian_monte_carlo::{HamiltonianChains, HamiltonianMonteCarlo};
pub use mass_matrix::MassMatrix;
pub use warm_up::{MassAdaptation, WarmUp, WarmedUp};
