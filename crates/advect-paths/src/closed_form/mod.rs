//! Laws of data whose marginal fields on every affine path are known in closed form.
//!
//! With noise x0 ~ N(0, I), the state `x_t = α x1 + σ x0` of data x1 from a mixture of Gaussians is itself a mixture of
//! Gaussians. [`Law`] gives the marginal velocity, score, denoiser, noise and v as fields, with derivatives, divergence
//! and log-density: oracles for tests, and samplers of data sets without training.
//!
//! | law | data |
//! | --- | --- |
//! | [`FiniteData`] | the points of a data set, with equal or given weights |
//! | [`Gaussian`] | one Gaussian with any covariance |
//! | [`GaussianMixture`] | several Gaussians |
//!
//! Between two laws, [`JointLaw`] gives the same on every [`Interpolant`](crate::path::Interpolant): the law of pairs, independent,
//! coupled by a plan, or correlated.
//! Schrödinger bridges are known in closed form, too: [`GaussianBridge`] between two Gaussians, and [`EntropicBridge`] between
//! two finite sets of points, given their entropic plan.

mod blending;
mod bridge_field;
mod components;
mod covariance;
mod entropic_bridge;
mod finite_data;
mod gaussian;
mod gaussian_bridge;
mod gaussian_mixture;
mod interpolant_field;
mod joint_law;
mod linear_drift;
mod marginal_field;
mod posterior;
mod rows;
mod slice;

use std::sync::Arc;

use advect_core::{Generator, Result, forward_to};
use candle_core::{DType, Device, Tensor};

use crate::Prediction;
use crate::schedule::Schedule;

pub use blending::blend;
pub use bridge_field::BridgeField;
pub use components::Components;
pub use covariance::Covariance;
pub use entropic_bridge::EntropicBridge;
pub use finite_data::FiniteData;
pub use gaussian::Gaussian;
pub use gaussian_bridge::GaussianBridge;
pub use gaussian_mixture::GaussianMixture;
pub use interpolant_field::InterpolantField;
pub use joint_law::JointLaw;
pub use marginal_field::MarginalField;

/// A law of data whose marginals on every affine path are known: a mixture of Gaussians, whose widths may be 0.
///
/// ```
/// use advect_core::{Field, Time};
/// use advect_paths::closed_form::{FiniteData, Law};
/// use advect_paths::schedule::CondOt;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let data = FiniteData::new(&Tensor::new(&[[1.0f64, 0.0], [-1.0, 0.0]], &Device::Cpu)?)?;
/// let x = Tensor::new(&[[0.3f64, 2.0]], &Device::Cpu)?;
/// // E[x1 | x_t = x] is tanh(α x / σ²), here with α = σ = 1/2.
/// let denoised = data.denoiser(&CondOt::default()).at(&Time::Shared(0.5), &x)?.to_vec2::<f64>()?;
/// assert!((denoised[0][0] - (2.0 * 0.3f64).tanh()).abs() < 1e-14 && denoised[0][1] == 0.0);
/// # Ok(())
/// # }
/// ```
pub trait Law {
    /// Returns the mixture.
    fn components(&self) -> &Arc<Components>;

    /// Returns the marginal field of a [`Prediction`] on the affine path of a schedule.
    fn field<S: Schedule>(&self, prediction: Prediction, schedule: S) -> MarginalField<S>
    where
        Self: Sized,
    {
        MarginalField::new(self.components(), schedule, prediction)
    }

    /// Returns the marginal velocity `u_t(x) = E[α' x1 + σ' x0 | x_t = x]`.
    fn velocity<S: Schedule>(&self, schedule: S) -> MarginalField<S>
    where
        Self: Sized,
    {
        self.field(Prediction::Velocity, schedule)
    }

    /// Returns the score `∇ log p_t(x)`.
    fn score<S: Schedule>(&self, schedule: S) -> MarginalField<S>
    where
        Self: Sized,
    {
        self.field(Prediction::Score, schedule)
    }

    /// Returns the denoiser `E[x1 | x_t = x]`.
    fn denoiser<S: Schedule>(&self, schedule: S) -> MarginalField<S>
    where
        Self: Sized,
    {
        self.field(Prediction::Data, schedule)
    }

    /// Draws samples of the law, `(count, d)`.
    ///
    /// # Errors
    /// [`Error::DType`](advect_core::Error::DType) unless the dtype is a float.
    fn sample(
        &self,
        count: usize,
        dtype: DType,
        device: &Device,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        self.components().sample(count, dtype, device, rng)
    }
}

forward_to!([] Law {
    fn components(&self) -> &Arc<Components>;
    fn sample(&self, count: usize, dtype: DType, device: &Device, rng: &mut Generator) -> Result<Tensor>;
});
