//! The regression of a velocity and of a growth.

use advect_core::{Error, Field, Generator, Result, Time, check};
use advect_objectives::distance::{Distance, SquaredError};
use candle_core::Tensor;

use crate::Snapshots;
use crate::path::SnapshotPath;

/// The regression of a velocity v and a rate of growth g on those of curves with masses, the mean by mass of
/// `|v(t, x_t) − ẋ_t|²/d + λ (g(t, x_t) − r)²`.
///
/// Its minimisers are the mean velocity and the mean rate of the curves through a point, by mass, with which the density of all curves
/// follows `∂_t ρ + ∇·(ρ v) = g ρ`. With an [`UnbalancedChain`](crate::path::UnbalancedChain) they carry each snapshot to the next, and
/// change its masses. [`MassFlow`](crate::MassFlow) is the field of both.
///
/// ```
/// use advect_core::{Generator, field_fn};
/// use advect_paths::{path::Affine, schedule::CondOt};
/// use advect_trajectories::Snapshots;
/// use advect_trajectories::objective::GrowthMatching;
/// use advect_trajectories::path::UnbalancedChain;
/// use advect_transport::Sinkhorn;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // A population that triples in place.
/// let x = Tensor::new(&[[1f64]], &Device::Cpu)?;
/// let snapshots = Snapshots::new(&[0.0, 1.0], &[x.clone(), x])?.masses(&[1.0, 3.0])?;
/// let plans = Sinkhorn::new(0.1)?.unbalanced(1.0)?;
/// let objective = GrowthMatching::new(UnbalancedChain::new(plans, Affine::new(CondOt::default()), 4)?, 1.0)?;
/// let still = field_fn(|_, x| Ok(x.zeros_like()?));
/// let loss = |g: f64| {
///     let growth = |_: &_, x: &Tensor| Ok((x.ones_like()?.squeeze(1)? * g)?);
///     objective.loss(&still, growth, &snapshots, &mut Generator::from_seed(0))
/// };
/// assert!(loss(3f64.ln())?.to_scalar::<f64>()? < 1e-12);
/// assert!(loss(0.0)?.to_scalar::<f64>()? > 1.0);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "unbalanced flow matching")]
#[doc(alias = "growth")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GrowthMatching<P> {
    path: P,
    weight: f64,
}

impl<P: SnapshotPath> GrowthMatching<P> {
    /// Creates the objective on a law of curves with masses, with the weight λ of the growth's error.
    ///
    /// # Errors
    /// [`Error::Range`] unless the weight is above 0.
    pub fn new(path: P, weight: f64) -> Result<Self> {
        let weight = check::positive("weight", weight)?;
        Ok(GrowthMatching { path, weight })
    }

    /// Returns one loss for each point of the curves, `(points,)`, times its mass over the mean mass. The growth is a function of
    /// time and states to one rate a sample, `(batch,)`.
    ///
    /// # Errors
    /// As [`SnapshotPath::sample`]; [`Error::Shape`] for another growth; the errors of velocity and growth.
    pub fn losses(
        &self,
        velocity: &dyn Field,
        growth: impl Fn(&Time, &Tensor) -> Result<Tensor>,
        snapshots: &Snapshots,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        let points = self.path.sample(snapshots, rng)?;
        let (t, x) = (points.time()?, &points.x);
        let found = velocity.at(&t, x)?;
        check::alike("velocity", &found, "x", x)?;
        let errors = SquaredError.losses(&found, &points.velocity)?;
        let rates = growth(&t, x)?;
        if rates.dims() != errors.dims() {
            let accepted = format!("{:?}, one rate for each sample", errors.dims());
            return Err(Error::shape("growth", rates.dims(), accepted));
        }
        let dtype = errors.dtype();
        let host = |values: &[f64]| -> Result<Tensor> {
            let values = Tensor::from_slice(values, values.len(), x.device())?;
            Ok(values.to_dtype(dtype)?)
        };
        let of_rates = (rates.to_dtype(dtype)? - host(&points.growth)?)?.sqr()?;
        Ok(((errors + (of_rates * self.weight)?)? * host(&points.shares())?)?)
    }

    /// Returns the mean of [`GrowthMatching::losses`]: a scalar on which to call `backward`.
    ///
    /// # Errors
    /// As [`GrowthMatching::losses`].
    pub fn loss(
        &self,
        velocity: &dyn Field,
        growth: impl Fn(&Time, &Tensor) -> Result<Tensor>,
        snapshots: &Snapshots,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        Ok(self.losses(velocity, growth, snapshots, rng)?.mean_all()?)
    }
}
