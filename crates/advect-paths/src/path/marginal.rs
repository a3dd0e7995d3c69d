//! A path with a known marginal velocity: flow matching in its original form.

use advect_core::{Coefficient, Field, Generator, Result, Time, check};
use candle_core::Tensor;

use super::{Path, PathPoint};

/// A path with a known marginal velocity in place of the conditional one. Regression on it is flow matching (Lipman
/// et al. 2023, eq. 5), whose gradient equals that of conditional flow matching on average, and is less noisy.
///
/// ```
/// use advect_core::{Generator, Time};
/// use advect_paths::closed_form::{FiniteData, Law};
/// use advect_paths::path::{Affine, Marginal, Path};
/// use advect_paths::schedule::CondOt;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let data = FiniteData::new(&Tensor::new(&[[1.0f64], [-1.0]], &Device::Cpu)?)?;
/// let schedule = CondOt::default();
/// let path = Marginal::new(Affine::new(schedule), data.velocity(&schedule));
/// let (x0, x1) = (Tensor::new(&[[0.0f64]], &Device::Cpu)?, Tensor::new(&[[1.0f64]], &Device::Cpu)?);
/// // At the start nothing is known: on average nothing moves, though this pair would.
/// let point = path.sample(&Time::Shared(0.0), &x0, &x1, &mut Generator::from_seed(0))?;
/// assert_eq!(point.velocity()?.to_vec2::<f64>()?, [[0.0]]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "flow matching")]
#[derive(Debug, Clone, Copy)]
pub struct Marginal<P, F> {
    path: P,
    velocity: F,
}

impl<P: Path, F: Field> Marginal<P, F> {
    /// Creates a path with the states of `path` and the velocity `velocity`.
    pub fn new(path: P, velocity: F) -> Self {
        Marginal { path, velocity }
    }
}

impl<P: Path, F: Field> Path for Marginal<P, F> {
    fn sample(&self, t: &Time, x0: &Tensor, x1: &Tensor, rng: &mut Generator) -> Result<PathPoint> {
        let point = self.path.sample(t, x0, x1, rng)?;
        let velocity = self.velocity.at(t, &point.x)?;
        check::alike("velocity", &velocity, "x", &point.x)?;
        Ok(point.with_velocity(vec![(Coefficient::Shared(1.0), velocity)]))
    }
}
