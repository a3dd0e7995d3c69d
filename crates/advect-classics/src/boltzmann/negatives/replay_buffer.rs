//! A buffer of chains (Du and Mordatch 2019, section 3.2; Nijkamp et al. 2020).

use advect_core::{Error, Generator, Result, check};
use candle_core::{Device, Tensor};
use rand_distr::StandardUniform;

use super::{Negatives, check_chains};
use crate::boltzmann::MarkovKernel;

/// A buffer of many chains. Each draw takes as many of them as there are samples of data, begins some anew, moves all by a few steps, and puts them
/// back.
///
/// ```
/// use advect_classics::boltzmann::{Gibbs, Negatives, ReplayBuffer, RestrictedBoltzmannMachine};
/// use advect_core::{Generator, Key};
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let machine = RestrictedBoltzmannMachine::binary(6, 3, &store.builder())?;
/// let zeros = |count: usize, _: &mut Generator| Ok(Tensor::zeros((count, 6), DType::F32, &Device::Cpu)?);
/// let mut rng = Generator::from_seed(0);
/// let mut buffer = ReplayBuffer::new(Gibbs, 10, 1000, zeros, &mut rng)?;
/// let data = Tensor::ones((5, 6), DType::F32, &Device::Cpu)?;
/// assert_eq!(buffer.draw(&machine, &data, &mut rng)?.dims(), [5, 6]);
/// assert_eq!(buffer.states().dims(), [1000, 6]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ReplayBuffer<K, I> {
    kernel: K,
    steps: usize,
    initial: I,
    restarts: f64,
    states: Tensor,
}

impl<K, I: Fn(usize, &mut Generator) -> Result<Tensor>> ReplayBuffer<K, I> {
    /// Creates a buffer of `capacity` chains that begin with draws of `initial`, a closure of a count and a generator, such as uniform noise. Each draw moves
    /// its chains by `steps` steps, after 5 % of them began anew.
    ///
    /// # Errors
    /// [`Error::Range`] for a count of 0; the errors of the closure; [`Error::Shape`] if it gives another number of states.
    pub fn new(
        kernel: K,
        steps: usize,
        capacity: usize,
        initial: I,
        rng: &mut Generator,
    ) -> Result<Self> {
        check::at_least_one("steps", steps)?;
        check::at_least_one("capacity", capacity)?;
        let states = begin(&initial, capacity, rng)?;
        Ok(ReplayBuffer {
            kernel,
            steps,
            initial,
            restarts: 0.05,
            states,
        })
    }

    /// Sets the share of chains that begin anew at each draw.
    ///
    /// # Errors
    /// [`Error::Range`] unless it is from 0 to 1.
    pub fn restarts(self, share: f64) -> Result<Self> {
        let restarts = check::fraction("share", share)?;
        Ok(ReplayBuffer { restarts, ..self })
    }

    /// Returns the states of all chains, `(capacity, ...)`.
    pub fn states(&self) -> &Tensor {
        &self.states
    }
}

/// First states of a number of chains.
fn begin<I>(initial: &I, count: usize, rng: &mut Generator) -> Result<Tensor>
where
    I: Fn(usize, &mut Generator) -> Result<Tensor>,
{
    let states = initial(count, rng)?.detach();
    if check::batch("initial", &states)? != count {
        let accepted = format!("({count}, ...), as many states as requested");
        return Err(Error::shape("initial", states.dims(), accepted));
    }
    Ok(states)
}

/// Rows of `old`, but rows of `new` at `places`.
fn replaced(old: &Tensor, places: &[u32], new: &Tensor) -> Result<Tensor> {
    let count = old.dims()[0];
    let mut source: Vec<u32> = (0..count as u32).collect();
    for (k, &place) in places.iter().enumerate() {
        source[place as usize] = (count + k) as u32;
    }
    let source = Tensor::from_vec(source, count, &Device::Cpu)?.to_device(old.device())?;
    Ok(Tensor::cat(&[old, new], 0)?.index_select(&source, 0)?)
}

impl<M, K, I> Negatives<M> for ReplayBuffer<K, I>
where
    K: MarkovKernel<M>,
    I: Fn(usize, &mut Generator) -> Result<Tensor>,
{
    /// Returns as many states as there are samples of data.
    ///
    /// # Errors
    /// [`Error::Shape`] for more data than there are chains; the errors of the model.
    fn draw(&mut self, model: &M, data: &Tensor, rng: &mut Generator) -> Result<Tensor> {
        check_chains(&self.states, data)?;
        let (batch, capacity) = (data.dims()[0], self.states.dims()[0]);
        if batch > capacity {
            let accepted = format!("at most {capacity} samples, the capacity of the buffer");
            return Err(Error::shape("data", data.dims(), accepted));
        }
        let order = rng.permutation(capacity, &Device::Cpu)?.to_vec1::<u32>()?;
        let places = &order[..batch];
        let chosen = Tensor::from_slice(places, batch, self.states.device())?;
        let mut states = self.states.index_select(&chosen, 0)?;
        let uniform = rng.values(&StandardUniform, batch)?;
        let anew = (0u32..).zip(&uniform).filter(|(_, u)| **u < self.restarts);
        let anew: Vec<u32> = anew.map(|(k, _)| k).collect();
        if !anew.is_empty() {
            let fresh = begin(&self.initial, anew.len(), rng)?.to_dtype(states.dtype())?;
            states = replaced(&states, &anew, &fresh)?;
        }
        let states = self.kernel.steps(model, &states, self.steps, rng)?;
        self.states = replaced(&self.states, places, &states)?;
        Ok(states)
    }
}
