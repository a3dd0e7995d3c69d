//! The method of a step of an SDE.

use advect_core::{Field, Result};
use advect_solvers::Interval;
use advect_solvers::sde::{Additive, BrownianPath, EulerMaruyama, Sra1, Sra3, StratonovichHeun};
use advect_solvers::stepper::{Step, Stepper};
use candle_core::Tensor;

/// The method of a step of an SDE with additive noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum SdeMethod {
    /// Euler and Maruyama's method: one evaluation, at the start of the step.
    #[doc(alias = "Euler–Maruyama")]
    #[doc(alias = "Euler-Maruyama")]
    #[default]
    EulerMaruyama,
    /// Heun's method: two evaluations, one of them at the end of the step.
    Heun,
    /// The method SRA1, of strong order 1.5: two evaluations, one of them within the step.
    Sra1,
    /// The method SRA3, of strong order 1.5 and of order 3 without noise: three evaluations, one of them at the end of the step.
    Sra3,
}

impl SdeMethod {
    pub(super) fn step<G: Fn(f64) -> f64>(
        self,
        field: &dyn Field,
        noise: Additive<G>,
        path: BrownianPath,
        interval: &Interval,
        x: &Tensor,
    ) -> Result<Step> {
        match self {
            SdeMethod::EulerMaruyama => {
                EulerMaruyama::new(noise, path).step(field, interval, x, None)
            }
            SdeMethod::Heun => StratonovichHeun::new(noise, path).step(field, interval, x, None),
            SdeMethod::Sra1 => Sra1::new(noise, path).step(field, interval, x, None),
            SdeMethod::Sra3 => Sra3::new(noise, path).step(field, interval, x, None),
        }
    }
}
