//! The distance of simulated populations from the snapshots (Koshizuka and Sato 2023, "Neural Lagrangian Schrödinger bridge:
//! diffusion modeling for population dynamics", eq. 11).

use advect_core::{Error, Result, check};
use advect_transport::SinkhornDivergence;
use candle_core::Tensor;

use crate::Snapshots;

/// The sum of Sinkhorn divergences between a simulated population and the snapshots, at all times after the first:
/// `Σ_k S_ε(X̂_(t_k), X_(t_k))`.
///
/// Simulate samples of the first snapshot by any method and keep the graph: by an
/// [`Adjoint`](advect_solvers::adjoint::Adjoint) with the times of the snapshots, whose states are then differentiable by the
/// parameters of the drift, and by those of the noise if all steps are unrolled. Add an
/// [`Action`](super::Action) to choose among the processes that fit: the neural Lagrangian Schrödinger bridge.
///
/// ```
/// use std::sync::Arc;
/// use advect_core::field_fn;
/// use advect_solvers::adjoint::{Adjoint, Unrolled};
/// use advect_solvers::{Solver, controller::Fixed, stepper::Euler};
/// use advect_trajectories::Snapshots;
/// use advect_trajectories::objective::PopulationFit;
/// use advect_transport::SinkhornDivergence;
/// use candle_core::{Device, Tensor, Var};
/// # fn main() -> advect_core::Result<()> {
/// let at = |x: f64| Tensor::new(&[[x], [x + 1.0]], &Device::Cpu);
/// let snapshots = Snapshots::new(&[0.0, 1.0, 2.0], &[at(0.0)?, at(3.0)?, at(6.0)?])?;
/// // A drift that is the same everywhere, 2 in place of 3.
/// let drift = Var::new(&[2f64], &Device::Cpu)?;
/// let parameter = drift.as_tensor().clone();
/// let field = Arc::new(field_fn(move |_, x: &Tensor| Ok(x.ones_like()?.broadcast_mul(&parameter)?)));
///
/// let adjoint = Unrolled::new(Solver::new(Euler, Fixed::steps(4)?));
/// let start = snapshots.at(0).samples();
/// let simulated = adjoint.solve(&field, &[drift.as_tensor().clone()], start, &snapshots.times())?;
/// let loss = PopulationFit::new(SinkhornDivergence::new(0.1)?).loss(&simulated.states, &snapshots)?;
/// assert!((loss.to_scalar::<f64>()? - 5.0).abs() < 1e-4); // 1² + 2²
/// let slope = loss.backward()?.get(&drift).unwrap().to_vec1::<f64>()?[0];
/// assert!((slope + 10.0).abs() < 1e-3); // −2 (1 · 1 + 2 · 2)
/// # Ok(())
/// # }
/// ```
#[doc(alias = "NLSB")]
#[doc(alias = "neural Lagrangian Schrödinger bridge")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PopulationFit {
    divergence: SinkhornDivergence,
}

impl PopulationFit {
    /// Creates the loss from the divergence that compares two sets of samples.
    pub fn new(divergence: SinkhornDivergence) -> Self {
        PopulationFit { divergence }
    }

    /// Returns the loss of the simulated states at the times of the snapshots, those at the first time included. They may be
    /// more or fewer than the samples that were seen.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there are states for each time; the errors of [`SinkhornDivergence::weighted`].
    pub fn loss(&self, states: &[Tensor], snapshots: &Snapshots) -> Result<Tensor> {
        if states.len() != snapshots.len() {
            let accepted = format!("({},), states at each time", snapshots.len());
            return Err(Error::shape("states", &[states.len()], accepted));
        }
        let later = states.iter().zip(snapshots.iter()).skip(1);
        let divergences = later.map(|(x, seen)| match seen.weights() {
            None => self.divergence.value(x, seen.samples()),
            Some(weights) => {
                let count = check::batch("states", x)?;
                let equal = vec![1.0 / count as f64; count];
                self.divergence.weighted(x, &equal, seen.samples(), weights)
            }
        });
        let divergences: Vec<Tensor> = divergences.collect::<Result<_>>()?;
        Ok(Tensor::stack(&divergences, 0)?.sum_all()?)
    }
}
