//! Inverse problems: sampling of data given a measurement `y = A(x1) + σ_y n`, with standard normal n.
//!
//! The score of the states given y is that of the model plus `∇_x log p(y | x)`, which a [`Likelihood`] approximates by
//! way of the expected data `x̂1(x) = E[x1 | x]`:
//!
//! | likelihood | | A |
//! | --- | --- | --- |
//! | [`Pigdm`] | ΠGDM: the data given x is a Gaussian around x̂1 | a [`LinearOperator`] |
//! | [`Dps`] | DPS: a pull towards y of a given strength | any [`Measurement`] |
//!
//! [`Model::posterior`](crate::Model::posterior) adds the gradient to the field, whatever it predicts, so that every
//! sampler is one of the posterior. [`LikelihoodStep`](crate::rule::LikelihoodStep) makes a step along the gradient
//! after each step of a rule, as DPS was published. Where a part of the data is known exactly,
//! [`Inpaint`](crate::rule::Inpaint) replaces it in rules, [`Replaced`] in fields, between two laws as well, and
//! neither needs a gradient.
//!
//! | measurement | A |
//! | --- | --- |
//! | [`Mask`] | the elements that are known |
//! | [`Downsample`] | the means of squares of pixels |
//! | [`Dense`] | a matrix |
//! | [`Linear`] | any linear map of tensors |
//! | [`measurement_fn`] | any differentiable function of tensors |
//!
//! ```
//! use advect_core::{Generator, field_fn};
//! use advect_paths::{Prediction, schedule::Cosine};
//! use advect_samplers::grid::UniformLogSnr;
//! use advect_samplers::inverse::{Mask, Pigdm};
//! use advect_samplers::rule::{Ancestral, Rule};
//! use advect_samplers::{Model, Sampler};
//! use candle_core::{DType, Device, Tensor};
//! # fn main() -> advect_core::Result<()> {
//! // The noise of data N(0, I) on this path; in practice a frozen network.
//! let net = field_fn(|t, x| t.coefficient(|t| (std::f64::consts::FRAC_PI_2 * t).cos())?.times(x));
//! let model = Model::new(&net, Prediction::Noise, Cosine);
//!
//! // The first coordinate was measured to be 3, with an error of 0.5.
//! let mask = Mask::new(&Tensor::new(&[[1u8, 0]], &Device::Cpu)?)?;
//! let y = Tensor::new(&[[3f64, 0.0]], &Device::Cpu)?;
//! let posterior = model.posterior(Pigdm::new(mask, &y, 0.5)?);
//!
//! let mut rng = Generator::from_seed(0);
//! let noise = rng.normal((500, 2), DType::F64, &Device::Cpu)?;
//! let x = Ancestral::new().on(UniformLogSnr::new(50)?).sample(&posterior, &noise, &mut rng)?;
//! // N(2.4, 0.2) and N(0, 1).
//! let mean = x.mean(0)?.to_vec1::<f64>()?;
//! assert!((mean[0] - 2.4).abs() < 0.1 && mean[1].abs() < 0.2);
//! # Ok(())
//! # }
//! ```

mod dps;
mod gradient;
mod measurement;
mod pigdm;
mod posterior;
mod replaced;

use advect_core::{Result, Time, forward_to};
use advect_paths::schedule::Schedule;
use candle_core::Tensor;

pub use dps::Dps;
pub(crate) use gradient::Gradient;
pub use measurement::{
    Dense, Downsample, Linear, LinearOperator, Mask, Measurement, measurement_fn,
};
pub use pigdm::Pigdm;
pub use posterior::Posterior;
pub use replaced::Replaced;

/// The likelihood `p(y | x̂1)` of a measurement, as a function of the expected data.
///
/// The gradient with respect to the state follows by the chain rule: `∇_x log p(y | x̂1(x)) = Jᵀ slope` with the
/// Jacobian J of x̂1.
pub trait Likelihood {
    /// Returns `∂ log p(y | x̂1) / ∂x̂1` at the expected data `x̂1 = E[x1 | x]` of states at time t of a path, shaped
    /// like it.
    ///
    /// # Errors
    /// Typed errors for data that does not fit the measurement.
    fn slope(&self, t: &Time, schedule: &dyn Schedule, data: &Tensor) -> Result<Tensor>;
}

forward_to!([] Likelihood {
    fn slope(&self, t: &Time, schedule: &dyn Schedule, data: &Tensor) -> Result<Tensor>;
});
