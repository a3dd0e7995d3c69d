//! Persistent chains (Tieleman 2008, "Training restricted Boltzmann machines using approximations to the likelihood
//! gradient").

use advect_core::{Generator, Result, check};
use candle_core::Tensor;

use super::{Negatives, check_chains};
use crate::boltzmann::MarkovKernel;

/// Persistent contrastive divergence, PCD: each loss moves the same chains on by a few steps, so that they stay near the model's law while it changes
/// slowly.
///
/// ```
/// use advect_classics::boltzmann::{Gibbs, Negatives, PersistentChains, RestrictedBoltzmannMachine};
/// use advect_core::{Generator, Key};
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let machine = RestrictedBoltzmannMachine::binary(6, 3, &store.builder())?;
/// let data = Tensor::ones((5, 6), DType::F32, &Device::Cpu)?;
/// let mut chains = PersistentChains::new(Gibbs, 1, Tensor::zeros((100, 6), DType::F32, &Device::Cpu)?)?;
/// let negatives = chains.draw(&machine, &data, &mut Generator::from_seed(0))?;
/// assert_eq!(negatives.to_vec2::<f32>()?, chains.states().to_vec2::<f32>()?);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "PCD")]
#[doc(alias = "stochastic maximum likelihood")]
#[derive(Debug, Clone)]
pub struct PersistentChains<K> {
    kernel: K,
    steps: usize,
    states: Tensor,
}

impl<K> PersistentChains<K> {
    /// Creates chains from their first states, `(chains, ...)`; each draw moves them by `steps` steps.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for 0 steps; [`Error`](advect_core::Error) naming states that are empty or not finite.
    pub fn new(kernel: K, steps: usize, states: Tensor) -> Result<Self> {
        check::at_least_one("steps", steps)?;
        check::batch("states", &states)?;
        check::finite("states", &states)?;
        Ok(PersistentChains {
            kernel,
            steps,
            states: states.detach(),
        })
    }

    /// Returns the states of the chains, from which new chains can continue.
    pub fn states(&self) -> &Tensor {
        &self.states
    }
}

impl<M, K: MarkovKernel<M>> Negatives<M> for PersistentChains<K> {
    /// Returns the states of all chains, for any number of samples of data.
    fn draw(&mut self, model: &M, data: &Tensor, rng: &mut Generator) -> Result<Tensor> {
        check_chains(&self.states, data)?;
        self.states = self.kernel.steps(model, &self.states, self.steps, rng)?;
        Ok(self.states.clone())
    }
}
