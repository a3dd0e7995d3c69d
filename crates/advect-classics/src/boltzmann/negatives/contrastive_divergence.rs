//! Short chains from the data (Hinton 2002).

use advect_core::{Generator, Result, check};
use candle_core::Tensor;

use super::Negatives;
use crate::boltzmann::MarkovKernel;

/// Contrastive divergence, CD-k: the negatives are the ends of chains of k steps from the data.
///
/// They are no samples of the model for a small k, so that the gradient is biased; the bias falls with k. With [`Langevin`](crate::boltzmann::Langevin) steps it
/// is the short-run learning of energies.
///
/// ```
/// use advect_classics::boltzmann::{ContrastiveDivergence, Gibbs, Negatives, RestrictedBoltzmannMachine};
/// use advect_core::{Generator, Key};
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let machine = RestrictedBoltzmannMachine::binary(6, 3, &store.builder())?;
/// let data = Tensor::ones((5, 6), DType::F32, &Device::Cpu)?;
/// let negatives = ContrastiveDivergence::new(Gibbs, 1)?.draw(&machine, &data, &mut Generator::from_seed(0))?;
/// assert_eq!(negatives.dims(), [5, 6]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "CD")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContrastiveDivergence<K> {
    kernel: K,
    steps: usize,
}

impl<K> ContrastiveDivergence<K> {
    /// Creates the negatives of k steps.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for 0 steps.
    pub fn new(kernel: K, steps: usize) -> Result<Self> {
        check::at_least_one("steps", steps)?;
        Ok(ContrastiveDivergence { kernel, steps })
    }
}

impl<M, K: MarkovKernel<M>> Negatives<M> for ContrastiveDivergence<K> {
    fn draw(&mut self, model: &M, data: &Tensor, rng: &mut Generator) -> Result<Tensor> {
        self.kernel.steps(model, data, self.steps, rng)
    }
}
