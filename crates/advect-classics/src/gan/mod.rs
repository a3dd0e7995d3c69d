//! Adversarial networks: a generator transforms noise into samples, and a discriminator, which distinguishes them from data, provides its loss (Goodfellow et
//! al. 2014, "Generative adversarial nets").
//!
//! Both networks are the user's. A loss is two functions of the discriminator's outputs, one for each network, both to be minimised in turn: see [`AdversarialLoss`].
//!
//! | loss | the discriminator's best output | the generator descends |
//! | --- | --- | --- |
//! | [`NonSaturating`] | the logit `ln p/q` of data p and samples q | `−⟨ln D⟩` |
//! | [`LeastSquares`] | `p/(p + q)` | a χ² divergence |
//! | [`Wasserstein`] | a potential of slope 1 | the distance W₁ |
//!
//! | regularity of the discriminator | |
//! | --- | --- |
//! | [`gradient_penalty`] of points [`between`] | slopes near 1 (WGAN-GP) |
//! | [`gradient_norms`] | for penalties of your own, such as R₁, half the mean square on data |
//! | [`SpectralLinear`] | layers of Lipschitz constant 1 (SN-GAN) |
//!
//! | correction of samples by `ln p/q` | |
//! | --- | --- |
//! | [`discriminator_rejection`] | samples are left out (Azadi et al. 2019) |
//! | [`discriminator_chain`] | the last state of a Markov chain (Turner et al. 2019) |
//!
//! ```
//! use advect_classics::gan::{AdversarialLoss, NonSaturating};
//! use advect_core::{Energy, Generator, Key, Result, Time};
//! use advect_models::Mlp;
//! use advect_nn::{Network, ParameterStore, Potential, TimeEmbedding};
//! use advect_train::{Adam, AdamConfig, Trainer};
//! use candle_core::{DType, Device, Tensor};
//! # fn main() -> Result<()> {
//! // Data of N(3, 1), and a generator that shifts and scales noise.
//! let stores = [0, 1].map(|seed| ParameterStore::new(Key::from_seed(seed), DType::F32, &Device::Cpu));
//! let net = Mlp::config(1).outputs(1).time(TimeEmbedding::None);
//! let generator = net.clone().hidden(&[]).build(&stores[0].builder())?;
//! let discriminator = Potential(net.hidden(&[16]).build(&stores[1].builder())?);
//! let now = Time::Shared(0.0);
//! let config = AdamConfig { learning_rate: 0.02, ..AdamConfig::default() };
//! let trainer = |k: usize| -> Result<_> { Ok(Trainer::new(&stores[k], Adam::from_store(&stores[k], config.clone())?, Generator::from_seed(k as u64))) };
//! let (mut of_generator, mut of_discriminator) = (trainer(0)?, trainer(1)?);
//! let fake = |rng: &mut Generator| generator.evaluate(&now, &rng.normal((64, 1), DType::F32, &Device::Cpu)?, None);
//! for step in 1..=300 {
//!     let loss = |_: usize, rng: &mut Generator| {
//!         let real = (rng.normal((64, 1), DType::F32, &Device::Cpu)? + 3.0)?;
//!         NonSaturating.discriminator(&discriminator.at(&now, &real)?, &discriminator.at(&now, &fake(rng)?.detach())?)
//!     };
//!     of_discriminator.run(step, loss, &mut ())?;
//!     of_generator.run(step, |_: usize, rng: &mut Generator| NonSaturating.generator(&discriminator.at(&now, &fake(rng)?)?), &mut ())?;
//! }
//! let mean = fake(of_generator.rng())?.mean_all()?.to_scalar::<f32>()?;
//! assert!((mean - 3.0).abs() < 1.5, "{mean}");
//! # Ok(())
//! # }
//! ```

mod chain;
mod gradient_penalty;
mod loss;
mod rejection;
mod spectral_linear;

use advect_core::{Error, Result, check};
use candle_core::Tensor;

pub use chain::{CorrectedSamples, discriminator_chain};
pub use gradient_penalty::{between, gradient_norms, gradient_penalty};
pub use loss::{AdversarialLoss, LeastSquares, NonSaturating, Wasserstein};
pub use rejection::discriminator_rejection;
pub use spectral_linear::SpectralLinear;

/// Checks that outputs of a discriminator are one number for each sample.
fn check_outputs(argument: &'static str, outputs: &Tensor) -> Result<()> {
    check::batch(argument, outputs)?;
    check::float(argument, outputs)?;
    if outputs.rank() != 1 {
        let accepted = "(batch,), one output of the discriminator for each sample";
        return Err(Error::shape(argument, outputs.dims(), accepted));
    }
    Ok(())
}
