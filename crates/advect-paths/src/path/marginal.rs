//! A path whose velocity is known on average: flow matching proper.

use advect_core::{Coefficient, Field, Generator, Result, Time, check};
use candle_core::Tensor;

use super::{Path, PathPoint};

/// The states of a path, with a known marginal velocity in place of the conditional one: regression on it is flow
/// matching (Lipman et al. 2023, eq. 5), whose gradient is that of the conditional kind on average, and less noisy.
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
#[derive(Debug, Clone, Copy)]
pub struct Marginal<P, F> {
    path: P,
    velocity: F,
}

impl<P: Path, F: Field> Marginal<P, F> {
    /// The states of `path`, and `velocity` for their velocity.
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
