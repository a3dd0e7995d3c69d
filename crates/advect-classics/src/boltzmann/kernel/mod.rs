//! Steps of Markov chains that leave a model's law invariant.
//!
//! | kernel | step |
//! | --- | --- |
//! | [`Gibbs`] | units given other units, exactly |
//! | [`Langevin`] | down the energy, with noise; its law is the model's up to an error of the step size |

mod gibbs;
mod langevin;

use advect_core::{Generator, Result, forward_to};
use candle_core::Tensor;

pub use gibbs::Gibbs;
pub use langevin::Langevin;

/// A step of a Markov chain whose stationary law is that of a model M.
pub trait MarkovKernel<M> {
    /// Moves each sample of a batch by one step. The result is part of no graph.
    ///
    /// # Errors
    /// The errors of the model.
    fn step(&self, model: &M, x: &Tensor, rng: &mut Generator) -> Result<Tensor>;

    /// Moves each sample by a number of steps.
    ///
    /// # Errors
    /// As [`MarkovKernel::step`].
    fn steps(&self, model: &M, x: &Tensor, count: usize, rng: &mut Generator) -> Result<Tensor> {
        (0..count).try_fold(x.detach(), |x, _| self.step(model, &x, rng))
    }
}

forward_to!([M] MarkovKernel<M> {
    fn step(&self, model: &M, x: &Tensor, rng: &mut Generator) -> Result<Tensor>;
    fn steps(&self, model: &M, x: &Tensor, count: usize, rng: &mut Generator) -> Result<Tensor>;
});
