//! An objective on pairs that a coupling makes of each batch.

use advect_core::{Field, Generator, Result};
use advect_paths::coupling::Coupling;
use candle_core::Tensor;

use super::Objective;

/// Pairs each batch by a [`Coupling`] before the objective sees it: the sources are rearranged, so that the targets keep
/// their places, and the labels that a field is given go on fitting them.
///
/// ```
/// use advect_objectives::objective::{Coupled, flow_matching};
/// use advect_paths::{coupling::ExactOt, path::ConstantSigma};
/// # fn main() -> advect_core::Result<()> {
/// // OT-CFM.
/// let objective = Coupled::new(ExactOt, flow_matching(ConstantSigma::new(0.1)?));
/// # let _ = objective;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Coupled<C, O> {
    coupling: C,
    objective: O,
}

impl<C: Coupling, O: Objective> Coupled<C, O> {
    /// A coupling before an objective.
    pub fn new(coupling: C, objective: O) -> Self {
        Coupled {
            coupling,
            objective,
        }
    }
}

impl<C: Coupling, O: Objective> Objective for Coupled<C, O> {
    /// # Errors
    /// As the coupling and the objective; [`Error::Range`](advect_core::Error::Range) for a coupling that is no permutation,
    /// such as one that draws with replacement.
    fn losses(
        &self,
        field: &dyn Field,
        x0: &Tensor,
        x1: &Tensor,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        let pairs = self.coupling.pair(x0, x1, rng)?.by_target()?;
        self.objective.losses(field, &pairs.source(x0)?, x1, rng)
    }
}
