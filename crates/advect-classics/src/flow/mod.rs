//! Normalizing flows: densities by a change of variables, `log p(y) = log p₀(x) + log |det ∂x/∂y|` for `y = T(x)` (Papamakarios et al. 2021, "Normalizing flows for
//! probabilistic modeling and inference").
//!
//! A [`NormalizingFlow`] is a base density and a [`Bijection`], which goes forward from noise x to data y and back. Layers are composed by a [`Composition`].
//!
//! | bijection | map | cheap |
//! | --- | --- | --- |
//! | [`AffineCoupling`], [`SplineCoupling`] | some elements given the others, by a network (Real NVP, neural spline flows) | both ways |
//! | [`MaskedAutoregressive`] | each element given those before it (MAF; [`Inverted`], IAF) | inverse |
//! | [`InvertibleConvolution`] | channels of each pixel times a matrix (Glow) | both ways |
//! | [`ActNorm`] | a scale and a shift of each channel, from the first batch (Glow) | both ways |
//! | [`ResidualBlock`] | `x + g(x)` with a contraction g (residual flows) | forward |
//! | [`MultiScale`] | some channels by an inner map; others leave as noise (Real NVP, Glow) | as the inner map |
//! | [`Permutation`], [`Squeeze`] | elements in another order or shape | both ways |
//!
//! The function of one element in couplings and autoregressive layers is a [`Transformer`]: [`Affine`], or a [`RationalQuadraticSpline`].
//!
//! ```
//! use advect_classics::flow::{AffineCoupling, Bijection, Composition, Mask, NormalizingFlow, forward_kl};
//! use advect_core::{Generator, Key, Result};
//! use advect_models::Mlp;
//! use advect_nn::{ParameterStore, TimeEmbedding};
//! use advect_train::{Adam, AdamConfig, Trainer};
//! use candle_core::{DType, Device, Tensor};
//! # fn main() -> Result<()> {
//! let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
//! let net = Mlp::config(2).outputs(4).hidden(&[32]).time(TimeEmbedding::None);
//! let mut layers: Vec<Box<dyn Bijection>> = Vec::new();
//! for k in 0..2 {
//!     let net = net.build(&store.builder().pp(k))?;
//!     layers.push(Box::new(AffineCoupling::affine(Mask::alternating(&[2], k)?, net)));
//! }
//! let flow = NormalizingFlow::new(&[2], Composition::new(&[2], layers)?)?;
//!
//! let optimizer = Adam::from_store(&store, AdamConfig { learning_rate: 0.01, ..AdamConfig::default() })?;
//! let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(1));
//! let data = |count: usize, rng: &mut Generator| -> Result<Tensor> {
//!     Ok(rng.normal((count, 2), DType::F32, &Device::Cpu)?.affine(0.5, 2.0)?)
//! };
//! trainer.run(100, |_: usize, rng: &mut Generator| forward_kl(&flow, &data(64, rng)?), &mut ())?;
//!
//! let loss = forward_kl(&flow, &data(1000, trainer.rng())?)?.to_scalar::<f32>()?;
//! assert!(loss < 2.0); // the entropy of the data is 1.45, and the loss began near 10
//! let samples = flow.sample(8, DType::F32, &Device::Cpu, trainer.rng())?;
//! assert_eq!(samples.dims(), [8, 2]);
//! # Ok(())
//! # }
//! ```

mod base_density;
mod composition;
mod divergence;
mod independence_metropolis;
mod layer;
mod layout;
mod mask;
mod masked_perceptron;
mod matrix;
mod normalizing_flow;
mod spectral_norm;
mod transformer;

use advect_core::{Result, forward_to};
use candle_core::Tensor;

pub use base_density::{BaseDensity, Normal, StandardNormal};
pub use composition::Composition;
pub use divergence::{forward_kl, importance_weights, reverse_kl};
pub use independence_metropolis::{IndependenceChain, IndependenceMetropolis};
pub use layer::{
    ActNorm, AffineCoupling, Coupling, Inverted, InvertibleConvolution, MaskedAutoregressive,
    MultiScale, Permutation, ResidualBlock, SplineCoupling, Squeeze,
};
pub use layout::Layout;
pub use mask::Mask;
pub use masked_perceptron::MaskedPerceptron;
pub use normalizing_flow::NormalizingFlow;
pub use transformer::{Affine, RationalQuadraticSpline, Transformer};

/// An invertible, differentiable map of samples, `y = T(x)`, from noise x to data y.
///
/// ```
/// use advect_classics::flow::{Bijection, Permutation};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let map = Permutation::new(&[2, 0, 1])?;
/// let (y, log_determinant) = map.forward(&Tensor::new(&[[1f64, 2.0, 3.0]], &Device::Cpu)?)?;
/// assert_eq!(y.to_vec2::<f64>()?, [[3.0, 1.0, 2.0]]);
/// assert_eq!(log_determinant.to_vec1::<f64>()?, [0.0]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "bijector")]
#[doc(alias = "invertible")]
pub trait Bijection {
    /// Returns `y = T(x)` and `log |det ∂y/∂x|`, `(batch,)`, given a condition or none, one for each sample.
    ///
    /// # Errors
    /// Typed errors for samples and conditions that do not fit.
    fn forward_given(&self, x: &Tensor, condition: Option<&Tensor>) -> Result<(Tensor, Tensor)>;

    /// Returns `x = T⁻¹(y)` and `log |det ∂x/∂y|`, `(batch,)`, given a condition or none.
    ///
    /// # Errors
    /// As [`Bijection::forward_given`].
    fn inverse_given(&self, y: &Tensor, condition: Option<&Tensor>) -> Result<(Tensor, Tensor)>;

    /// Returns the layout of noise for that of data: its shape, and the elements that couplings have changed.
    ///
    /// # Errors
    /// [`Error::Shape`](advect_core::Error::Shape) for samples of a shape that the map does not take.
    fn latent(&self, data: &Layout) -> Result<Layout>;

    /// Sets parameters that depend on a first batch of data, such as those of [`ActNorm`], and returns the noise.
    ///
    /// # Errors
    /// As [`Bijection::inverse_given`].
    fn initialize(&self, y: &Tensor, condition: Option<&Tensor>) -> Result<Tensor> {
        Ok(self.inverse_given(y, condition)?.0.detach())
    }

    /// Returns `y = T(x)` and `log |det ∂y/∂x|`, `(batch,)`, without a condition.
    ///
    /// # Errors
    /// As [`Bijection::forward_given`].
    fn forward(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        self.forward_given(x, None)
    }

    /// Returns `x = T⁻¹(y)` and `log |det ∂x/∂y|`, `(batch,)`, without a condition.
    ///
    /// # Errors
    /// As [`Bijection::forward_given`].
    fn inverse(&self, y: &Tensor) -> Result<(Tensor, Tensor)> {
        self.inverse_given(y, None)
    }
}

forward_to!([] Bijection {
    fn forward_given(&self, x: &Tensor, condition: Option<&Tensor>) -> Result<(Tensor, Tensor)>;
    fn inverse_given(&self, y: &Tensor, condition: Option<&Tensor>) -> Result<(Tensor, Tensor)>;
    fn latent(&self, data: &Layout) -> Result<Layout>;
    fn initialize(&self, y: &Tensor, condition: Option<&Tensor>) -> Result<Tensor>;
});
