//! Couplings, which pair the source samples of a batch with its target samples.
//!
//! | coupling | pairs | each sample occurs |
//! | --- | --- | --- |
//! | [`Independent`] | at random | once |
//! | [`ExactOt`] | the permutation of least total squared distance | once |
//! | [`ExactOt`], batches of different sizes | drawn from the exact plan, a source for each target | each target once |
//! | [`EntropicOt`] | drawn from an entropic plan, a source for each target | each target once |
//! | `EntropicOt::with_replacement`, unbalanced plans | drawn from the plan, independently | by its mass, on average |
//! | `EntropicOt::permuted` | drawn one after the other, of what is left: near the plan | once |
//! | [`ConditionalOt`] | optimal, with the conditions in the cost | once |
//! | [`WeightedOt`] | drawn from the plan between weighted batches, exact, entropic or unbalanced | by its weight, on average |
//! | [`SemidiscreteOt`] | of optimal transport between the source's law and a fixed data set | each source once |
//!
//! [`WeightedPairs`] are no coupling but all pairs of a plan, of any sizes and weights, with their masses: a loss weighted by them is without
//! the noise of draws.
//!
//! A coupling may look at more samples than a training step takes: pair up a large pool, and cut the pairs into batches
//! with [`Pairs::shuffled`] and [`Pairs::batches`].
//!
//! # Labels
//!
//! [`Coupling::pair`] does not know of labels. Its optimal pairs give each class the part of the noise that lies near it,
//! so that a conditional field is trained on a source that depends on the label, and sampled from one that does not: each
//! class comes out wrong (Cheng and Schwing 2025, "The curse of conditions"). [`Coupling::pair_given`] takes the labels, and
//! leaves the law of the source given a label as it was. `Coupled` of `advect-objectives` calls it for every field that has a
//! [`condition`](advect_core::Field::condition). For contexts that are floats, optimal pairs keep that law in part:
//! see [`ConditionalOt`].
//!
//! # Size of the batch
//!
//! The pairs are optimal within the batch. Their law has the right marginals whatever its size, so that a flow trained on them
//! arrives at the data; but it is not the optimal plan between the laws that the batches come from, whose cost it exceeds
//! by the more the smaller the batch and the higher the dimension (Fatras et al. 2020, "Learning with minibatch Wasserstein";
//! Pooladian et al. 2023, section 3). Batches of one sample are independent pairs.

mod classes;
mod conditional_ot;
#[cfg(test)]
mod contract;
mod draw;
mod entropic_ot;
mod exact_ot;
mod independent;
mod pairs;
mod semidiscrete_ot;
mod weighted_ot;
mod weighted_pairs;

use advect_core::{Generator, Result, check, forward_to};
use candle_core::Tensor;

use classes::Classes;

pub use conditional_ot::ConditionalOt;
pub use entropic_ot::EntropicOt;
pub use exact_ot::ExactOt;
pub use independent::Independent;
pub use pairs::Pairs;
pub use semidiscrete_ot::SemidiscreteOt;
pub use weighted_ot::WeightedOt;
pub use weighted_pairs::WeightedPairs;

/// A joint law of the source and target samples of a minibatch.
pub trait Coupling {
    /// Pairs up batches `x0` and `x1` of samples of one shape.
    ///
    /// The samples' labels are not used: call [`Coupling::pair_given`] where a field is trained on them.
    ///
    /// # Errors
    /// Typed errors for batches that do not fit.
    fn pair(&self, x0: &Tensor, x1: &Tensor, rng: &mut Generator) -> Result<Pairs>;

    /// Pairs up batches with a condition for each sample: labels `(batch,)` or contexts `(batch, ...)`, where
    /// `condition[i]` belongs to `x0[i]` and to `x1[i]`. Noise, which has no condition, may stand in any order.
    ///
    /// The source keeps its law given the condition, which conditional fields need. Where samples of equal conditions are paired
    /// up by themselves, pair k has the condition of sample k; [`Pairs::in_place`] sees to that for all pairs.
    ///
    /// Unless a coupling says otherwise, samples of equal conditions are paired up by themselves, and one whose condition no
    /// other has stays as it came. A class should therefore have many samples in the batch; pair up a pool if it has few.
    ///
    /// # Errors
    /// As [`Coupling::pair`]; typed errors unless there is a condition for each sample of either batch.
    fn pair_given(
        &self,
        x0: &Tensor,
        x1: &Tensor,
        condition: &Tensor,
        rng: &mut Generator,
    ) -> Result<Pairs> {
        let batch = check::batch("x0", x0)?;
        check::alike("x1", x1, "x0", x0)?;
        let condition = ("condition", condition);
        Classes::new(condition, condition, batch)?
            .pair_each(x0, x1, |x0, x1| self.pair(x0, x1, rng))
    }
}

forward_to!([] Coupling {
    fn pair(&self, x0: &Tensor, x1: &Tensor, rng: &mut Generator) -> Result<Pairs>;
    fn pair_given(&self, x0: &Tensor, x1: &Tensor, condition: &Tensor, rng: &mut Generator) -> Result<Pairs>;
});
