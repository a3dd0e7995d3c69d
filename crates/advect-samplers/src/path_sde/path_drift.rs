//! The drift of an SDE along a path, as a field.

use advect_core::{Error, Field, Jvp, Result, Time, check};
use advect_solvers::sde::Additive;
use candle_core::Tensor;

use super::{shared, squared};
use crate::diffusion::DiffusionCoefficient;
use crate::{ScoredVelocity, ScoredVelocityJvp};

/// The drift `u ± ½ w² s` of a [`PathSde`](super::PathSde) as a field, with its noise, for any method of [`advect_solvers::sde`] and all that
/// an [`Integration`](advect_solvers::Integration) does: saves, events, adaptive steps.
/// [`PathSde::forwards`](super::PathSde::forwards) and [`PathSde::backwards`](super::PathSde::backwards) make it.
///
/// At a time at which the state has no noise, γ = 0, w counts as 0 and the drift is the velocity. A method that ends a step there is as
/// exact as elsewhere if w vanishes with γ, as [`NoiseLevel`](crate::diffusion::NoiseLevel) does; with another w, end before.
///
/// Where the model has derivatives along the state ([`ScoredVelocityJvp`]), so has the drift; not along time.
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

impl<M: ScoredVelocityJvp, W: DiffusionCoefficient> Jvp for PathDrift<M, W> {
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        if dt != 0.0 {
            let accepted = "0, because derivatives of this field are along its state";
            return Err(Error::range("dt", dt, accepted));
        }
        let (value, slopes) = self.jvp_each(t, x, std::slice::from_ref(dx))?;
        match <[Tensor; 1]>::try_from(slopes) {
            Ok([slope]) => Ok((value, slope)),
            Err(slopes) => {
                let given = format!("{} derivatives", slopes.len());
                Err(Error::range("model", given, "one for each direction"))
            }
        }
    }

    fn jvp_each(&self, t: &Time, x: &Tensor, dx: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)> {
        for direction in dx {
            check::alike("dx", direction, "x", x)?;
        }
        let t = shared(t)?;
        self.model.drift_jvp(t, x, self.side * self.squared(t)?, dx)
    }
}
