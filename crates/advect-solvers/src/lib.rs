//! Solvers of ordinary and stochastic differential equations, `dx/dt = f(t, x)`, for any
//! [`Field`](advect_core::Field) on tensors. Nothing here is specific to diffusion.
//!
//! | task | see |
//! | --- | --- |
//! | integrate | [`Solver::solve`] |
//! | save states, stop at events, observe steps, give each sample its own clock | [`Solver::integration`], [`Save`], [`Event`] |
//! | choose a method, or add one | [`stepper`], [`Tableau`] |
//! | choose steps | [`controller`] |
//! | undo steps exactly | [`reversible`] |
//! | keep the energy of a mechanical system | [`symplectic`] |
//! | integrate several tensors at once, or plain numbers | [`State`] |
//! | write equations by hand | [`system`] |
//! | differentiate a solution | [`adjoint`] |
//! | solve stiff equations | [`implicit`] |
//! | add noise | [`sde`] |
//! | treat a stiff linear part exactly | [`exponential`] |
//! | find divergences and densities | [`divergence`] |
//! | move along the gradient of an energy | [`energy`] |
//!
//! A [`Solver`] is a [`stepper`], which makes the steps, and a [`controller`], which chooses their sizes:
//!
//! ```
//! use advect_core::{Time, field_fn};
//! use advect_solvers::{Solver, controller::{Adaptive, Fixed}, stepper::{Dopri5, Euler}};
//! use candle_core::{Device, Tensor};
//! # fn main() -> advect_core::Result<()> {
//! let decay = field_fn(|_, x| Ok(x.neg()?));
//! let x0 = Tensor::new(&[[1.0f64], [2.0]], &Device::Cpu)?;
//!
//! let solution = Solver::new(Dopri5, Adaptive::new(1e-8, 1e-8)?).solve(&decay, &x0, 0.0, 1.0)?;
//! let x1 = solution.end()?.to_vec2::<f64>()?;
//! assert!((x1[1][0] - 2.0 * (-1f64).exp()).abs() < 1e-7);
//!
//! let solution = Solver::new(Euler, Fixed::steps(10)?).solve(&decay, &x0, 0.0, 1.0)?;
//! assert_eq!(solution.statistics.evaluations, 10);
//! # Ok(())
//! # }
//! ```

mod accepted_step;
pub mod adjoint;
mod clock;
pub mod controller;
mod dense_step;
mod detached;
pub mod divergence;
pub mod energy;
mod event;
pub mod exponential;
pub mod implicit;
mod integrate;
mod integration;
mod interpolant;
mod interval;
mod jumps;
mod order_conditions;
mod per_sample;
pub mod reversible;
mod sample_integration;
mod sample_solutions;
mod save;
pub mod sde;
mod solution;
mod solver;
mod stability;
mod state;
pub mod stepper;
mod stiffness;
pub mod symplectic;
pub mod system;
mod tableau;

pub use accepted_step::{AcceptedSamples, AcceptedStep};
pub use dense_step::DenseStep;
pub use event::{Crossing, Event};
pub use integration::Integration;
pub use interpolant::Interpolant;
pub use interval::Interval;
pub use sample_integration::SampleIntegration;
pub use sample_solutions::SampleSolutions;
pub use save::Save;
pub use solution::{Occurrence, Solution, Statistics, Status};
pub use solver::Solver;
pub use state::{Samples, State};
pub use tableau::Tableau;
