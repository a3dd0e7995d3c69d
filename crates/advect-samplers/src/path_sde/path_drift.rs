//! The drift of an SDE along a path, as a field.

use advect_core::{Field, Result, Time};
use advect_solvers::sde::Additive;
use candle_core::Tensor;

use super::{shared, squared};
use crate::ScoredVelocity;
use crate::diffusion::DiffusionCoefficient;

/// The drift `u ± ½ w² s` of a [`PathSde`](super::PathSde) as a field, with its noise, for any method of [`advect_solvers::sde`] and all that
/// an [`Integration`](advect_solvers::Integration) does: saves, events, adaptive steps.
/// [`PathSde::forwards`](super::PathSde::forwards) and [`PathSde::backwards`](super::PathSde::backwards) make it.
///
/// At a time at which the state has no noise, γ = 0, w counts as 0 and the drift is the velocity. A method that ends a step there is as
/// exact as elsewhere if w vanishes with γ, as [`NoiseLevel`](crate::diffusion::NoiseLevel) does; with another w, end before.
///
/// ```
/// use advect_core::Key;
/// use advect_paths::closed_form::{Covariance, Gaussian, JointLaw};
/// use advect_paths::path::{Interpolant, gamma::BrownianBridge};
/// use advect_paths::schedule::CondOt;
/// use advect_samplers::diffusion::NoiseLevel;
/// use advect_samplers::{PathSde, TwoFields};
/// use advect_solvers::sde::{BrownianPath, Sra1};
/// use advect_solvers::{Save, Solver, controller::Adaptive};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let gaussian = |mean: f64| Gaussian::new(&Tensor::new(&[mean], &Device::Cpu)?, Covariance::isotropic(1.0)?);
/// let law = JointLaw::independent(&gaussian(0.0)?, &gaussian(4.0)?)?;
/// let gamma = BrownianBridge::new(2.0)?;
/// let path = Interpolant::new(CondOt::default(), gamma);
/// let model = TwoFields::with_noise(law.velocity(path), law.noise(path), gamma);
///
/// let x0 = Tensor::zeros((4, 1), DType::F64, &Device::Cpu)?;
/// let motion = BrownianPath::new(Key::from_seed(0), &x0, 0.1, 0.9)?;
/// let drift = PathSde::new(NoiseLevel::new(1.0)?).forwards(&model);
/// let steps = Adaptive::new(1e-3, 1e-3)?.min_step(motion.resolution())?;
/// let solver = Solver::new(Sra1::new(drift.noise(), motion), steps);
/// let solution = solver.integration(&drift, &x0, 0.1, 0.9).save(Save::At(vec![0.5, 0.9])).run()?;
/// assert_eq!(solution.times, [0.5, 0.9]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PathDrift<M, W> {
    model: M,
    diffusion: W,
    side: f64,
}

impl<M: ScoredVelocity, W: DiffusionCoefficient> PathDrift<M, W> {
    pub(super) fn new(model: M, diffusion: W, side: f64) -> Self {
        PathDrift {
            model,
            diffusion,
            side,
        }
    }

    /// Returns the noise `w(t) dW` that belongs to the drift.
    pub fn noise(&self) -> Additive<impl Fn(f64) -> f64 + '_> {
        // Additive refuses NaN.
        Additive(|t| self.squared(t).map_or(f64::NAN, f64::sqrt))
    }

    fn squared(&self, t: f64) -> Result<f64> {
        let schedule = self.model.schedule();
        match schedule.sigma(t) == 0.0 {
            true => Ok(0.0),
            false => squared(&self.diffusion, schedule, t),
        }
    }
}

impl<M: ScoredVelocity, W: DiffusionCoefficient> Field for PathDrift<M, W> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        let t = shared(t)?;
        self.model.drift(t, x, self.side * self.squared(t)?)
    }
}
