//! Flow matching on the whole axis of time (Tong et al. 2024a, section 5.2).

use advect_core::{Field, Generator, Result, check};
use advect_objectives::distance::{Distance, SquaredError};
use candle_core::Tensor;

use crate::Snapshots;
use crate::path::SnapshotPath;

/// The regression of one velocity for all times on the velocities of curves through the snapshots: the mean of `|v(t, x_t) − ẋ_t|²/d`.
///
/// Its minimiser is the mean velocity of the curves through a point, whose flow has their marginals, and so carries each snapshot to
/// the next.
///
/// ```
/// use advect_core::{Generator, field_fn};
/// use advect_paths::coupling::Independent;
/// use advect_paths::{path::Affine, schedule::CondOt};
/// use advect_trajectories::Snapshots;
/// use advect_trajectories::objective::FlowMatching;
/// use advect_trajectories::path::Chain;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let at = |x: f64| Tensor::new(&[[x]], &Device::Cpu);
/// let snapshots = Snapshots::new(&[0.0, 2.0], &[at(0.0)?, at(4.0)?])?;
/// let objective = FlowMatching::new(Chain::new(Independent, Affine::new(CondOt::default()), 8)?);
/// let still = field_fn(|_, x| Ok(x.zeros_like()?));
/// let loss = objective.loss(&still, &snapshots, &mut Generator::from_seed(0))?;
/// assert_eq!(loss.to_scalar::<f64>()?, 4.0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlowMatching<P> {
    path: P,
}

impl<P: SnapshotPath> FlowMatching<P> {
    /// Creates the objective on a law of curves.
    pub fn new(path: P) -> Self {
        FlowMatching { path }
    }

    /// Returns one loss for each point of the curves, `(points,)`, times its share in the mass where masses differ.
    ///
    /// # Errors
    /// As [`SnapshotPath::sample`]; the errors of the field.
    pub fn losses(
        &self,
        velocity: &dyn Field,
        snapshots: &Snapshots,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        let points = self.path.sample(snapshots, rng)?;
        let found = velocity.at(&points.time()?, &points.x)?;
        check::alike("velocity", &found, "x", &points.x)?;
        let losses = SquaredError.losses(&found, &points.velocity)?;
        let shares = points.shares();
        if shares.iter().all(|share| *share == 1.0) {
            return Ok(losses);
        }
        let shares = Tensor::from_slice(&shares, shares.len(), losses.device())?;
        Ok((&losses * shares.to_dtype(losses.dtype())?)?)
    }

    /// Returns the mean of [`FlowMatching::losses`]: a scalar on which to call `backward`.
    ///
    /// # Errors
    /// As [`FlowMatching::losses`].
    pub fn loss(
        &self,
        velocity: &dyn Field,
        snapshots: &Snapshots,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        Ok(self.losses(velocity, snapshots, rng)?.mean_all()?)
    }
}
