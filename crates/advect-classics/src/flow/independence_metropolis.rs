//! Exact samples by a flow's proposals (Tierney 1994, section 2.3.3; Albergo, Kanwar and Shanahan 2019, "Flow-based generative models for Markov chain Monte Carlo in
//! lattice field theory").

use advect_core::{Generator, Result, check, shape};
use candle_core::{DType, Device, Tensor};
use rand_distr::StandardUniform;

use super::divergence::weighted;
use super::{BaseDensity, Bijection, NormalizingFlow};
use crate::independence_chain::Chain;

/// Independence Metropolis sampling of `p ∝ p̃`: a chain whose proposals y' are samples of a flow, accepted with the probability `min(1, w(y')/w(y))`, `w = p̃/q`. Its
/// law is p, however well the flow fits; it stays where it is the longer the worse it fits.
///
/// ```
/// use advect_classics::flow::{ActNorm, IndependenceMetropolis, NormalizingFlow};
/// use advect_core::{Generator, Key, shape};
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let flow = NormalizingFlow::new(&[1], ActNorm::new(1, &store.builder())?)?; // N(0, 1)
/// let target = |y: &Tensor| Ok((shape::sum_squares_per_sample(&(y - 0.5)?)? * -1.0)?); // N(½, ½)
/// let mut rng = Generator::from_seed(0);
/// let noise = flow.noise(4000, DType::F64, &Device::Cpu, &mut rng)?;
/// let chain = IndependenceMetropolis::new(flow, target).chain(&noise, &mut rng)?;
/// assert!((chain.states.mean_all()?.to_scalar::<f64>()? - 0.5).abs() < 0.06);
/// assert!(chain.acceptance_rate > 0.5 && chain.acceptance_rate < 0.9);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "MCMC")]
#[doc(alias = "neural importance sampling")]
#[derive(Debug, Clone)]
pub struct IndependenceMetropolis<B, D, T> {
    flow: NormalizingFlow<B, D>,
    log_target: T,
}

/// The states of a chain.
#[derive(Debug, Clone)]
pub struct IndependenceChain {
    /// The states, `(steps, ...)`, part of no graph.
    pub states: Tensor,
    /// The share of the proposals after the first that were accepted, 0 without any.
    pub acceptance_rate: f64,
}

impl<B, D, T> IndependenceMetropolis<B, D, T>
where
    B: Bijection,
    D: BaseDensity,
    T: Fn(&Tensor) -> Result<Tensor>,
{
    /// Creates the chain of a flow for a target `log p̃`, a closure from samples to numbers, `(batch,)`.
    pub fn new(flow: NormalizingFlow<B, D>, log_target: T) -> Self {
        IndependenceMetropolis { flow, log_target }
    }

    /// Returns the chain with proposals computed from noise, one for each step, all at once; it starts at the first.
    ///
    /// # Errors
    /// As [`reverse_kl`](super::reverse_kl); [`Error::NonFinite`](advect_core::Error::NonFinite) for weights that are not finite.
    pub fn chain(&self, noise: &Tensor, rng: &mut Generator) -> Result<IndependenceChain> {
        let (y, log_weights) = weighted(&self.flow, &self.log_target, noise)?;
        check::finite("log_target", &log_weights)?;
        let log_weights = shape::cast(&log_weights.detach(), DType::F64)?.to_vec1::<f64>()?;
        let uniform = rng.values(&StandardUniform, log_weights.len())?;
        let chain = Chain::new(log_weights.into_iter().zip(uniform));
        let places: Vec<u32> = chain.places.iter().map(|k| *k as u32).collect();
        let steps = places.len();
        let places = Tensor::from_vec(places, steps, &Device::Cpu)?.to_device(y.device())?;
        Ok(IndependenceChain {
            states: y.detach().index_select(&places, 0)?,
            acceptance_rate: Chain::acceptance_rate(&[chain]),
        })
    }
}
