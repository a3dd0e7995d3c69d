//! The likelihood of all snapshots under one flow (TrajectoryNet: Tong, Huang, Wolf, van Dijk and Krishnaswamy 2020, "TrajectoryNet: a dynamic
//! optimal transport network for modeling cellular dynamics", section 3.2).

use std::sync::Arc;

use advect_core::{Error, Generator, Jvp, Result, check};
use advect_objectives::objective::MaximumLikelihood;
use advect_solvers::adjoint::Adjoint;
use candle_core::{D, Tensor};

use crate::{GrowthFlow, Snapshots};

/// The negative log-likelihood of the samples of all snapshots under one continuous normalizing flow, from a base law at a time before
/// the first: the mean over snapshots of `−log p_(t_k)(x)`, with the regularisers of [`MaximumLikelihood`].
///
/// With the weights of [kinetic energy](MaximumLikelihood::kinetic) and [Jacobian](MaximumLikelihood::jacobian) it is TrajectoryNet, for which
/// straight paths of little energy are near optimal transport. The density and velocity terms of the paper are
/// [`DensityPenalty`](super::DensityPenalty) and [`direction_losses`](super::direction_losses).
///
/// Where masses change, [`loss_with_growth`](SnapshotLikelihood::loss_with_growth) trains a rate of growth along with the velocity;
/// [`GrowthMatching`](super::GrowthMatching) does so by regression on the curves of unbalanced plans, without simulation.
///
/// ```
/// use std::sync::Arc;
/// use advect_core::normal::log_standard_normal;
/// use advect_core::{Field, Generator, Jvp, Result, Time};
/// use advect_objectives::objective::MaximumLikelihood;
/// use advect_solvers::{Solver, adjoint::Unrolled, controller::Fixed, stepper::Rk4};
/// use advect_trajectories::Snapshots;
/// use advect_trajectories::objective::SnapshotLikelihood;
/// use candle_core::{Device, Tensor};
///
/// /// To the right at the speed of 1.
/// struct Drift;
/// impl Field for Drift {
///     fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
///         Ok(x.ones_like()?)
///     }
/// }
/// impl Jvp for Drift {
///     fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
///         Ok((self.at(t, x)?, dx.zeros_like()?))
///     }
/// }
///
/// # fn main() -> Result<()> {
/// // From N(0, 1) at t = −1: each sample is the mean of the law at its time.
/// let at = |x: f64| Tensor::new(&[[x]], &Device::Cpu);
/// let snapshots = Snapshots::new(&[0.0, 2.0], &[at(1.0)?, at(3.0)?])?;
/// let likelihood = MaximumLikelihood::new(Unrolled::new(Solver::new(Rk4, Fixed::steps(4)?)));
/// let objective = SnapshotLikelihood::new(likelihood, -1.0, 8)?;
/// let loss = objective.loss(&Arc::new(Drift), &[], &snapshots, log_standard_normal, &mut Generator::from_seed(0))?;
/// let expected = 0.5 * (2.0 * std::f64::consts::PI).ln();
/// assert!((loss.to_scalar::<f64>()? - expected).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "TrajectoryNet")]
#[doc(alias = "CNF")]
#[derive(Debug, Clone)]
pub struct SnapshotLikelihood<A> {
    likelihood: MaximumLikelihood<A>,
    base_time: f64,
    batch: usize,
}

impl<A: Adjoint + Clone> SnapshotLikelihood<A> {
    /// Creates the objective from the likelihood of one snapshot, whose times are set for each, the time of the base law, and the number of
    /// samples drawn from each snapshot.
    ///
    /// # Errors
    /// [`Error::Range`] for a time that is not finite, and an empty batch.
    pub fn new(likelihood: MaximumLikelihood<A>, base_time: f64, batch: usize) -> Result<Self> {
        Ok(SnapshotLikelihood {
            likelihood,
            base_time: check::finite_number("base_time", base_time)?,
            batch: check::at_least_one("batch", batch)?,
        })
    }

    /// Returns the loss, a scalar. `base` gives `log p` of the base law, `(batch,)`.
    ///
    /// # Errors
    /// [`Error::Range`] unless the base law is before the first snapshot; the errors of
    /// [`MaximumLikelihood::losses`].
    pub fn loss<F: Jvp + Send + Sync + 'static>(
        &self,
        field: &Arc<F>,
        parameters: &[Tensor],
        snapshots: &Snapshots,
        base: impl Fn(&Tensor) -> Result<Tensor>,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        self.check_base_time(snapshots)?;
        let mut losses = Vec::with_capacity(snapshots.len());
        for snapshot in snapshots.iter() {
            let x = snapshot.draw(self.batch, rng)?;
            let likelihood = self
                .likelihood
                .clone()
                .between(snapshot.time(), self.base_time)?;
            losses.push(likelihood.losses(field, parameters, &x, &base, rng)?);
        }
        Ok(Tensor::cat(&losses, 0)?.mean_all()?)
    }

    /// Returns the loss of a velocity v and a rate of growth g, a scalar: with the unnormalised density ρ of
    /// `∂_t ρ + ∇·(ρ v) = g ρ`, the mean over snapshots of `−m_k E[ln ρ(t_k, x)] + ∫ ρ(t_k, x) dx`, the first mean over the snapshot's
    /// samples and m_k its [mass](crate::Snapshot::mass) in units of the base law's.
    ///
    /// It is the Kullback–Leibler divergence of positive measures, `∫ [q ln(q/ρ) − q + ρ]`, but for a constant: least where ρ is the
    /// population q, its mass included. The integral is the mean of `exp(∫ g dt)` over `start`, samples of the base law, `(count, d)`,
    /// without bias; draw them anew for each step of training.
    ///
    /// The field has values `(batch, d + 1)` at `(batch, d)`: v, and g in the last column ([`GrowthFlow`]). A weight of the
    /// kinetic energy is that of `m_k E ∫ (|v|² + g²) dt` along the ways of the samples. This is the integrand of Wasserstein, Fisher and Rao
    /// (Chizat, Peyré, Schmitzer and Vialard 2018, "An interpolating distance between optimal transport and Fisher–Rao metrics"), but with the
    /// snapshot's mass throughout, where that distance takes the mass at each time. A weight of the Jacobian counts `|∇g|²` too.
    ///
    /// # Errors
    /// As [`SnapshotLikelihood::loss`]; typed errors for a start that is not like the samples.
    #[doc(alias = "unbalanced")]
    pub fn loss_with_growth<F: Jvp + Send + Sync + 'static>(
        &self,
        field: &Arc<F>,
        parameters: &[Tensor],
        snapshots: &Snapshots,
        base: impl Fn(&Tensor) -> Result<Tensor>,
        start: &Tensor,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        self.check_base_time(snapshots)?;
        check::batch("start", start)?;
        let samples = snapshots.at(0).samples();
        check::same_kind("start", start, "samples", samples)?;
        if start.dims().get(1..) != samples.dims().get(1..) {
            let accepted = format!("(count, d), samples like {:?}", samples.dims());
            return Err(Error::shape("start", start.dims(), accepted));
        }
        check::finite("start", start)?;
        let flow = Arc::new(GrowthFlow::new(Arc::clone(field)));
        let mut times = vec![self.base_time];
        times.extend(snapshots.times());
        let carried =
            (self.likelihood.adjoint()).solve(&flow, parameters, &unit_masses(start)?, &times)?;
        carried.end()?;
        // Back from the data, what has grown is taken away again.
        let base = |state: &Tensor| -> Result<Tensor> {
            let (x, log_mass) = split(state)?;
            let base = base(&x)?;
            check::alike("base", &base, "one number for each sample", &log_mass)?;
            Ok((base - log_mass)?)
        };
        let mut losses = Vec::with_capacity(snapshots.len());
        for (snapshot, state) in snapshots.iter().zip(&carried.states[1..]) {
            let x = unit_masses(&snapshot.draw(self.batch, rng)?)?;
            let likelihood = self.likelihood.clone();
            let likelihood = likelihood.between(snapshot.time(), self.base_time)?;
            let found = likelihood.losses(&flow, parameters, &x, base, rng)?;
            let mass = split(state)?.1.exp()?.mean_all()?;
            losses.push(((found.mean_all()? * snapshot.mass())? + mass)?);
        }
        Ok(Tensor::stack(&losses, 0)?.mean_all()?)
    }

    fn check_base_time(&self, snapshots: &Snapshots) -> Result<()> {
        let first = snapshots.at(0).time();
        if self.base_time >= first {
            let accepted = format!("a time before the first snapshot, at {first}");
            return Err(Error::range("base_time", self.base_time, accepted));
        }
        Ok(())
    }
}

/// Samples with masses of 1: a column of `ln m = 0`.
fn unit_masses(x: &Tensor) -> Result<Tensor> {
    if x.rank() != 2 {
        return Err(Error::shape("samples", x.dims(), "(batch, d)"));
    }
    let zeros = Tensor::zeros((x.dims()[0], 1), x.dtype(), x.device())?;
    Ok(Tensor::cat(&[x, &zeros], 1)?)
}

/// Samples, and the logarithms of their masses.
fn split(state: &Tensor) -> Result<(Tensor, Tensor)> {
    let d = state.dim(D::Minus1)? - 1;
    let x = state.narrow(1, 0, d)?.contiguous()?;
    Ok((x, state.narrow(1, d, 1)?.squeeze(1)?))
}
