//! The generative models that came before transport: energies, normalizing flows, variational autoencoders,
//! autoregressive models, adversarial networks.
//!
//! | module | models |
//! | --- | --- |
//! | [`boltzmann`] | densities known up to a factor: Boltzmann machines, restricted ones, networks as energies |
//! | [`flow`] | densities by a change of variables: compositions of invertible maps |
//! | [`autoregressive`] | exact likelihoods of sequences, token by token: transformers, recurrent networks, masked perceptrons |
//! | [`vae`] | densities with latent variables, by a bound: variational autoencoders |
//! | [`lattice`] | fields with an action: φ⁴ and Ising models, networks with the symmetries of the lattice |
//! | [`gan`] | samplers without a density: losses, penalties and corrections of adversarial networks |
//!
//! The first two estimate normalisers, and [`ImportanceWeights`] tell how far such an estimate can be trusted:
//!
//! ```
//! use advect_classics::flow::{ActNorm, NormalizingFlow, importance_weights};
//! use advect_core::{Generator, Key, Result, shape};
//! use advect_nn::ParameterStore;
//! use candle_core::{DType, Device, Tensor};
//! # fn main() -> Result<()> {
//! // ∫ e^(−x²) dx = √π, by samples of N(0, 1).
//! let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
//! let flow = NormalizingFlow::new(&[1], ActNorm::new(1, &store.builder())?)?;
//! let noise = flow.noise(1000, DType::F64, &Device::Cpu, &mut Generator::from_seed(1))?;
//! let (_, weights) = importance_weights(&flow, |x: &Tensor| Ok(shape::sum_squares_per_sample(x)?.neg()?), &noise)?;
//! let exact = 0.5 * std::f64::consts::PI.ln();
//! assert!((weights.log_mean() - exact).abs() < 3.0 * weights.standard_error());
//! assert!(weights.standard_error() < 0.02 && weights.effective_sample_size() > 800.0);
//! # Ok(())
//! # }
//! ```

pub mod autoregressive;
pub mod boltzmann;
pub mod flow;
pub mod gan;
mod importance_weights;
mod independence_chain;
pub mod lattice;
mod untimed;
pub mod vae;

pub use importance_weights::ImportanceWeights;
pub use untimed::untimed;
