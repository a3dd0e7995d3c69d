//! Objectives on pairs that a coupling makes from each batch.

use advect_core::{Field, Generator, Result};
use advect_paths::coupling::Coupling;
use advect_paths::path::Path;
use candle_core::Tensor;

use super::{Objective, ScoreAndFlow, ScoreAndFlowLosses};
use crate::time_sampler::TimeSampler;

/// An objective on pairs that a [`Coupling`] makes from each batch.
///
/// A field that has a [`condition`](Field::condition), such as `net.given(&labels)`, is trained on pairs that
/// [`Coupling::pair_given`] makes: within each class of equal labels, and by the cost of C²OT for contexts that are floats (Cheng
/// and Schwing 2025). Optimal pairs across the classes would give each class a part of the noise, and the samples of a class, which
/// start from all of it, a wrong law. A closure that captures labels hides them, and gets such pairs: bind the labels
/// by [`Conditional::given`](advect_core::Conditional::given).
///
/// The coupling sees one batch at a time. The pairs' marginals are right for every size of the batch, and so is
/// the law at the end of a flow; the distance of the pairs from optimal transport between the two laws depends on the size, and
/// within classes on the number of samples of a class (see [`coupling`](advect_paths::coupling)).
/// The mean loss depends on it, too, so that losses of different sizes don't compare.
///
/// Coupled sources are no independent noise beside the data: the velocity of a path is learned all the same, but the
/// score, and a bound of the likelihood, need independent pairs (or, for [`ScoreAndFlow`], pairs of
/// [`EntropicOt`](advect_paths::coupling::EntropicOt) on a Schrödinger bridge).
///
/// ```
/// use advect_objectives::objective::{Coupled, flow_matching};
/// use advect_paths::{coupling::ExactOt, path::ConstantSigma};
/// # fn main() -> advect_core::Result<()> {
/// // OT-CFM.
/// let objective = Coupled::new(ExactOt, flow_matching(ConstantSigma::new(0.1)?));
/// assert_eq!(objective, Coupled::new(ExactOt, flow_matching(ConstantSigma::new(0.1)?)));
/// # Ok(())
/// # }
/// ```
///
/// Of a class-conditional network, the same call:
///
/// ```
/// use advect_core::{Conditional, Generator, Result, Time};
/// use advect_objectives::objective::{Coupled, Objective, rectified_flow};
/// use advect_paths::coupling::ExactOt;
/// use candle_core::{Device, Tensor};
/// # struct Net;
/// # impl Conditional for Net {
/// #     fn at_given(&self, _: &Time, x: &Tensor, _: &Tensor) -> Result<Tensor> { Ok(x.zeros_like()?) }
/// #     fn no_condition(&self, x: &Tensor) -> Result<Tensor> { Ok(Tensor::full(2u32, x.dim(0)?, x.device())?) }
/// # }
/// # fn main() -> Result<()> {
/// # let net = Net; // that says 0 everywhere
/// let x0 = Tensor::new(&[[0f64], [1.0]], &Device::Cpu)?;
/// let x1 = Tensor::new(&[[1f64], [0.0]], &Device::Cpu)?;
/// let labels = Tensor::new(&[0u32, 1], &Device::Cpu)?;
/// let objective = Coupled::new(ExactOt, rectified_flow());
/// let loss = objective.loss(&net.given(&labels), &x0, &x1, &mut Generator::from_seed(0))?;
/// assert_eq!(loss.to_scalar::<f64>()?, 1.0); // each source stays with its label
/// # Ok(())
/// # }
/// ```
#[doc(alias = "OT-CFM")]
#[doc(alias = "SB-CFM")]
#[doc(alias = "minibatch optimal transport")]
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Coupled<C, O> {
    coupling: C,
    objective: O,
}

impl<C: Coupling, O> Coupled<C, O> {
    /// Creates an objective from a coupling and an objective on its pairs.
    pub fn new(coupling: C, objective: O) -> Self {
        Coupled {
            coupling,
            objective,
        }
    }

    /// Sources and targets in pairs, in places that have the conditions of the fields.
    fn pairs(
        &self,
        condition: Option<&Tensor>,
        x0: &Tensor,
        x1: &Tensor,
        rng: &mut Generator,
    ) -> Result<(Tensor, Tensor)> {
        let pairs = match condition {
            Some(condition) => {
                let pairs = self.coupling.pair_given(x0, x1, condition, rng)?;
                pairs.in_place(condition)?
            }
            None => {
                let pairs = self.coupling.pair(x0, x1, rng)?;
                // Where each target occurs once, it keeps its place.
                pairs.by_target().unwrap_or(pairs)
            }
        };
        Ok((pairs.source(x0)?, pairs.target(x1)?))
    }
}

impl<C: Coupling, O: Objective> Objective for Coupled<C, O> {
    /// # Errors
    /// As the coupling and the objective; [`Error::Range`](advect_core::Error::Range) for pairs that do not leave the field's
    /// conditions in place.
    fn losses(
        &self,
        field: &dyn Field,
        x0: &Tensor,
        x1: &Tensor,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        let (x0, x1) = self.pairs(field.condition(), x0, x1, rng)?;
        self.objective.losses(field, &x0, &x1, rng)
    }
}

impl<C: Coupling, P: Path, T: TimeSampler> Coupled<C, ScoreAndFlow<P, T>> {
    /// Returns the losses of a velocity and a score on the pairs of a batch: \[SF\]²M. Both fields have the same conditions.
    ///
    /// # Errors
    /// As the coupling and [`ScoreAndFlow::losses`].
    pub fn losses(
        &self,
        velocity: &dyn Field,
        score: &dyn Field,
        x0: &Tensor,
        x1: &Tensor,
        rng: &mut Generator,
    ) -> Result<ScoreAndFlowLosses> {
        let condition = velocity.condition().or(score.condition());
        let (x0, x1) = self.pairs(condition, x0, x1, rng)?;
        self.objective.losses(velocity, score, &x0, &x1, rng)
    }
}
