//! Samples and likelihoods from a trained field.
//!
//! A [`Model`] is a field with its prediction and its schedule; a [`Sampler`] takes noise to samples with it. Most samplers are a
//! [`rule`] (how one step is made) on a [`grid`] (where the steps go); [`ProbabilityFlow`] takes any solver instead.
//!
//! | task | see |
//! | --- | --- |
//! | sample: DDPM, DDIM, EDM, DPM-Solver++, UniPC, reverse SDEs, predictor–corrector | [`rule`] |
//! | choose the levels: uniform, Karras, log-SNR, shifted, DDPM's subsets | [`grid`] |
//! | sample by any ODE solver, invert | [`ProbabilityFlow`] |
//! | go from one law to another and back, by an ODE or an SDE | [`TwoFields`], [`PathSde`], [`ProbabilityFlow::transport`] |
//! | simulate a Schrödinger bridge from its drift, and train it by iterative Markovian fitting | [`BridgeSampler`], [`MarkovianFitting`] |
//! | draw many samples in pieces, reproducibly | [`NoiseSource`] |
//! | show progress, keep states on the way, halt | [`observer`] |
//! | guide a conditional field | [`guidance`] |
//! | sample given a measurement: masks, low resolution, any function | [`inverse`] |
//! | bound the expected data | [`threshold`] |
//! | find likelihoods and bits per dimension | [`likelihood`] |
//! | sample a density by Langevin dynamics | [`langevin`] |
//! | sample a density by Hamiltonian Monte Carlo | [`hamiltonian`] |
//! | find errors, autocorrelation times and effective sizes of chains | [`diagnostics`] |
//!
//! ```
//! use advect_core::Key;
//! use advect_paths::closed_form::{GaussianMixture, Covariance, Law};
//! use advect_paths::{Prediction, schedule::Cosine};
//! use advect_samplers::grid::UniformLogSnr;
//! use advect_samplers::rule::{DpmSolver, Rule};
//! use advect_samplers::{Model, NoiseSource};
//! use candle_core::{DType, Device, Tensor};
//! # fn main() -> advect_core::Result<()> {
//! // A field that is known; in practice a network.
//! let means = Tensor::new(&[[-1f64], [1.0]], &Device::Cpu)?;
//! let law = GaussianMixture::new(&[0.5, 0.5], &means, vec![Covariance::isotropic(0.01)?])?;
//! let noise = law.field(Prediction::Noise, &Cosine);
//!
//! let model = Model::new(&noise, Prediction::Noise, &Cosine);
//! let sampler = DpmSolver::order(2)?.on(UniformLogSnr::new(20)?);
//! let source = NoiseSource::new(Key::from_seed(0), &[1], DType::F64, &Device::Cpu)?;
//! let samples = source.sample(&sampler, &model, 0..1000)?;
//! let distance = (samples.abs()? - 1.0)?.abs()?.mean_all()?.to_scalar::<f64>()?;
//! assert!(distance < 0.1); // E|0.1 z| = 0.08
//! # Ok(())
//! # }
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

mod bridge_sampler;
pub mod diagnostics;
pub mod diffusion;
mod estimate;
pub mod grid;
pub mod guidance;
pub mod hamiltonian;
pub mod inverse;
pub mod langevin;
mod level;
pub mod likelihood;
mod markovian_fitting;
mod mask;
mod model;
mod noise_source;
pub mod observer;
mod path_sde;
mod probability_flow;
pub mod rule;
mod run;
mod sampler;
mod scored_velocity;
mod start;
pub mod threshold;

pub use bridge_sampler::BridgeSampler;
pub use estimate::Estimate;
pub use level::{Level, Transition};
pub use markovian_fitting::MarkovianFitting;
pub use model::{AnyModel, Model};
pub use noise_source::{NoiseSource, pieces};
pub use path_sde::{PathDrift, PathSde, SdeMethod, equal_times};
pub use probability_flow::{ProbabilityFlow, iadb};
pub use run::Run;
pub use sampler::{GridSampler, LastStep, Sampler};
pub use scored_velocity::{ScoredVelocity, ScoredVelocityJvp, TwoFields, TwoHeads, VelocityHead};
