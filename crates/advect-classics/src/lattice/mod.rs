//! Lattice field theory: fields with an action S, whose law is `p ∝ e^(−S)` (Montvay and Münster 1994, Quantum fields on a lattice).
//!
//! A configuration is a number at each site of a lattice with periodic boundaries, `(batch, ...)` with the extents of the lattice, in any number of dimensions.
//!
//! | theory | |
//! | --- | --- |
//! | [`Phi4`] | a real field with a quartic interaction: an [`Action`] |
//! | [`Ising`] | spins ±1, by [`Gibbs`](crate::boltzmann::Gibbs) sampling or [`Wolff`]'s clusters; [`onsager_energy`] in two dimensions |
//!
//! An action is what samplers and flows take: `|x| action.log_density(x)` is a target of [`reverse_kl`](crate::flow::reverse_kl), and, differentiated, a density for Hamiltonian
//! Monte Carlo. Networks that share the symmetries of the lattice make good proposals:
//!
//! | network | equivariant under |
//! | --- | --- |
//! | [`OddConvolution`], of couplings on a checkerboard | `φ → −φ`, shifts by even numbers of sites |
//! | [`EquivariantVelocity`], of continuous flows | `φ → −φ`, all shifts, reflections and rotations of the lattice |
//!
//! Observables are numbers of each configuration, whose means over configurations are meant: [`magnetization`], [`two_point_function`], [`neighbour_correlation`].
//!
//! ```
//! use advect_classics::flow::{AffineCoupling, Bijection, Composition, Mask, NormalizingFlow, importance_weights, reverse_kl};
//! use advect_classics::lattice::{Action, OddConvolution, Phi4};
//! use advect_core::{Generator, Key, Result};
//! use advect_nn::ParameterStore;
//! use candle_core::{DType, Device, Tensor};
//! # fn main() -> Result<()> {
//! let theory = Phi4::new(&[4, 4], 2.0, 0.5)?;
//! let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
//! let mut layers: Vec<Box<dyn Bijection>> = Vec::new();
//! for k in 0..2 {
//!     let net = OddConvolution::new(&[8], 3, &store.builder().pp(k))?;
//!     layers.push(Box::new(AffineCoupling::affine(Mask::alternating(&[4, 4], k)?, net)));
//! }
//! let flow = NormalizingFlow::new(&[4, 4], Composition::new(&[4, 4], layers)?)?;
//! let target = |x: &Tensor| theory.log_density(x);
//! let noise = flow.noise(64, DType::F64, &Device::Cpu, &mut Generator::from_seed(1))?;
//! let loss = reverse_kl(&flow, target, &noise)?; // to train on
//! let (_, weights) = importance_weights(&flow, target, &noise)?;
//! assert!(weights.effective_sample_size() >= 1.0);
//! # assert!(loss.rank() == 0);
//! # Ok(())
//! # }
//! ```

mod action;
mod equivariant_velocity;
mod free_propagator;
mod ising;
mod observables;
mod odd_convolution;
mod onsager;
mod orbits;
mod periodic;
mod phi4;
mod wolff;

pub use action::Action;
pub use equivariant_velocity::EquivariantVelocity;
pub use free_propagator::free_propagator;
pub use ising::Ising;
pub use observables::{magnetization, neighbour_correlation, two_point_function};
pub use odd_convolution::OddConvolution;
pub use onsager::{onsager_energy, spontaneous_magnetization};
pub use phi4::Phi4;
pub use wolff::Wolff;
