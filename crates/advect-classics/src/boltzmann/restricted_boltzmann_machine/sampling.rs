//! Sampling of units given the others.

use advect_core::{Generator, Result};
use advect_ops::Activation;
use candle_core::Tensor;

use super::RestrictedBoltzmannMachine;
use crate::boltzmann::bernoulli::bernoulli;
use crate::boltzmann::units::VisibleUnits;

impl<U: VisibleUnits> RestrictedBoltzmannMachine<U> {
    /// Returns `p(h_j = 1 | v) = σ(c_j + (Wᵀ s(v))_j)`, `(batch, hidden)`.
    ///
    /// # Errors
    /// As [`RestrictedBoltzmannMachine::free_energy`].
    #[doc(alias = "transform")]
    pub fn hidden_probabilities(&self, v: &Tensor) -> Result<Tensor> {
        self.hidden_input(&self.rows(v)?, Activation::Sigmoid)
    }

    /// Returns the expected visible values given hidden ones, `(batch, visible)`.
    ///
    /// # Errors
    /// [`Error`](advect_core::Error) naming `h` unless it is `(batch, hidden)` of zeros and ones.
    pub fn visible_mean(&self, h: &Tensor) -> Result<Tensor> {
        self.check_hidden(h)?;
        self.units.mean(&self.visible_input(h)?)
    }

    /// Draws hidden states given visible ones, `(batch, hidden)`.
    ///
    /// # Errors
    /// As [`RestrictedBoltzmannMachine::free_energy`].
    pub fn sample_hidden(&self, v: &Tensor, rng: &mut Generator) -> Result<Tensor> {
        bernoulli(&self.frozen().hidden_probabilities(v)?, rng)
    }

    /// Draws visible states given hidden ones, `(batch, visible)`.
    ///
    /// # Errors
    /// As [`RestrictedBoltzmannMachine::visible_mean`].
    pub fn sample_visible(&self, h: &Tensor, rng: &mut Generator) -> Result<Tensor> {
        self.check_hidden(h)?;
        self.visible_given(h, rng)
    }

    /// Draws visible states given hidden ones that are checked.
    fn visible_given(&self, h: &Tensor, rng: &mut Generator) -> Result<Tensor> {
        let frozen = self.frozen();
        frozen.units.sample(&frozen.visible_input(h)?, rng)
    }

    /// Draws hidden states given v, and visible ones given these, like v: one step of block Gibbs sampling.
    ///
    /// # Errors
    /// As [`RestrictedBoltzmannMachine::free_energy`].
    pub fn gibbs(&self, v: &Tensor, rng: &mut Generator) -> Result<Tensor> {
        let h = self.sample_hidden(v, rng)?;
        Ok(self.visible_given(&h, rng)?.reshape(v.shape())?)
    }
}
