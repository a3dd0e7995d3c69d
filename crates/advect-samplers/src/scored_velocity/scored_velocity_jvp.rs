//! The derivatives of a velocity with a score.

use advect_core::{Result, forward_to};
use candle_core::Tensor;

use super::ScoredVelocity;

/// A [`ScoredVelocity`] with derivatives along directions of the state, whose [`PathDrift`](crate::PathDrift) is therefore a
/// [`Jvp`](advect_core::Jvp): densities follow its flow, and implicit solvers have its Jacobian.
///
/// ```
/// use advect_core::normal::log_normal;
/// use advect_paths::closed_form::{Covariance, Gaussian, JointLaw};
/// use advect_paths::path::{Interpolant, gamma::BrownianBridge};
/// use advect_paths::schedule::CondOt;
/// use advect_samplers::TwoFields;
/// use advect_samplers::likelihood::Likelihood;
/// use advect_solvers::{Solver, controller::Adaptive, stepper::Dopri5};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let gaussian = |mean: f64, variance| Gaussian::new(&Tensor::new(&[mean], &Device::Cpu)?, Covariance::isotropic(variance)?);
/// let law = JointLaw::independent(&gaussian(0.0, 1.0)?, &gaussian(2.0, 0.25)?)?;
/// let gamma = BrownianBridge::new(1.0)?;
/// let path = Interpolant::new(CondOt::default(), gamma);
/// let model = TwoFields::with_noise(law.velocity(path), law.noise(path), gamma);
///
/// // The density at 1 of what starts from N(0, 1).
/// let likelihood = Likelihood::of_velocity(model.velocity(), 1.0)?;
/// let solver = Solver::new(Dopri5, Adaptive::new(1e-8, 1e-8)?);
/// let found = likelihood.log_density(&solver, &Tensor::new(&[[1.5f64]], &Device::Cpu)?)?;
/// let expected = log_normal(&Tensor::new(&[[-0.5f64]], &Device::Cpu)?, 0.25)?;
/// let error = (found.nats - expected)?.to_vec1::<f64>()?;
/// assert!(error[0].abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
pub trait ScoredVelocityJvp: ScoredVelocity {
    /// Returns `u(t, x) + c s(t, x)` and its derivatives along several directions of the state, each shaped like x.
    ///
    /// # Errors
    /// As [`ScoredVelocity::drift`], and typed errors for a direction that is not like x.
    fn drift_jvp(&self, t: f64, x: &Tensor, c: f64, dx: &[Tensor])
    -> Result<(Tensor, Vec<Tensor>)>;
}

forward_to!([] ScoredVelocityJvp {
    fn drift_jvp(&self, t: f64, x: &Tensor, c: f64, dx: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)>;
});
