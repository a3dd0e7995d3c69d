//! Variational autoencoders: latent variables z with a Gaussian prior, `p(x) = ∫ p(x|z) N(z; 0, I) dz`, fitted by bounds of this integral (Kingma and Welling 2014,
//! "Auto-encoding variational Bayes"; Rezende, Mohamed and Wierstra 2014, "Stochastic backpropagation and approximate inference in deep generative models").
//!
//! A [`VariationalAutoencoder`] is an encoder, which gives the [`GaussianPosterior`] `q(z|x)`, a decoder, and the [`Likelihood`] `p(x|z)` that the decoder's output
//! stands for. Encoder and decoder are closures; [`untimed`](crate::untimed) makes one of a network.
//!
//! | likelihood | data | output of the decoder |
//! | --- | --- | --- |
//! | [`BernoulliLikelihood`] | zeros and ones | logits |
//! | [`GaussianLikelihood`] | numbers | means; one variance, learned or given |
//!
//! | bound of `log p(x)` | |
//! | --- | --- |
//! | [`evidence_bound`](VariationalAutoencoder::evidence_bound) | reconstruction minus divergence, one sample of z |
//! | [`importance_bound`](VariationalAutoencoder::importance_bound) | k samples of z, tighter with k |
//!
//! ```
//! use advect_classics::untimed;
//! use advect_classics::vae::{GaussianLikelihood, VariationalAutoencoder, active_units};
//! use advect_core::{Generator, Key, Result};
//! use advect_models::Mlp;
//! use advect_nn::{ParameterStore, TimeEmbedding};
//! use advect_train::{Adam, AdamConfig, Trainer};
//! use candle_core::{DType, Device, Tensor};
//! # fn main() -> Result<()> {
//! // Three numbers that follow one.
//! let data = |count: usize, rng: &mut Generator| -> Result<Tensor> {
//!     let z = rng.normal((count, 1), DType::F32, &Device::Cpu)?;
//!     let noise = (rng.normal((count, 3), DType::F32, &Device::Cpu)? * 0.1)?;
//!     Ok((Tensor::cat(&[&z, &z.neg()?, &(&z * 2.0)?], 1)? + noise)?)
//! };
//! let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
//! let builder = store.builder();
//! let net = |from: usize, to: usize, name: &str| Mlp::config(from).outputs(to).hidden(&[16]).time(TimeEmbedding::None).build(&builder.pp(name));
//! let (encoder, decoder) = (net(3, 2 * 2, "encoder")?, net(2, 3, "decoder")?);
//! let vae = VariationalAutoencoder::new(2, untimed(encoder), untimed(decoder), GaussianLikelihood::learned(&builder)?)?;
//!
//! let optimizer = Adam::from_store(&store, AdamConfig { learning_rate: 0.01, ..AdamConfig::default() })?;
//! let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(1));
//! let loss = |step: usize, rng: &mut Generator| {
//!     let x = data(64, rng)?;
//!     let bound = vae.evidence_bound(&x, &vae.noise(&x, rng)?)?;
//!     bound.loss((step as f64 / 100.0).min(1.0)) // the divergence counts little at first
//! };
//! trainer.run(400, loss, &mut ())?;
//!
//! let x = data(500, trainer.rng())?;
//! let noise = vae.noise(&x, trainer.rng())?;
//! let bound = vae.evidence_bound(&x, &noise)?.value()?.mean_all()?.to_scalar::<f32>()?;
//! assert!(bound > -3.0); // −0.1 at best, and −4.7 for independent Gaussians
//! let active = active_units(vae.posterior(&x)?.mean(), 0.01)?;
//! assert_eq!(active.iter().filter(|active| **active).count(), 1); // of two numbers, where one is enough
//! # Ok(())
//! # }
//! ```

mod active_units;
mod evidence_bound;
mod gaussian_posterior;
mod likelihood;
mod variational_autoencoder;

pub use active_units::active_units;
pub use evidence_bound::EvidenceBound;
pub use gaussian_posterior::GaussianPosterior;
pub use likelihood::{BernoulliLikelihood, GaussianLikelihood, Likelihood};
pub use variational_autoencoder::VariationalAutoencoder;
