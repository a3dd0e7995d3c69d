//! Chains at several temperatures (Desjardins, Courville, Bengio, Vincent and Delalleau 2010, "Tempered Markov chain Monte Carlo for training of restricted
//! Boltzmann machines"; Cho, Raiko and Ilin 2010).

use advect_core::{Generator, Result, check, shape};
use candle_core::{DType, Device, Tensor};
use rand_distr::StandardUniform;

use super::{Negatives, check_betas, check_chains};
use crate::boltzmann::{RestrictedBoltzmannMachine, VisibleUnits};

/// Parallel tempering: persistent chains of the machine at rising inverse temperatures β ([`annealed`](RestrictedBoltzmannMachine::annealed) from a base
/// of zeros), which after each Gibbs step may exchange their states with those of a neighbouring temperature. Chains at low β move between modes, and hand
/// them up to β = 1, whose states are the negatives.
///
/// An exchange of v at β with v' at β' has the probability `min(1, e^(F_β(v) + F_β'(v') − F_β(v') − F_β'(v)))`, with hidden units summed out.
///
/// ```
/// use advect_classics::boltzmann::{Negatives, ParallelTempering, RestrictedBoltzmannMachine};
/// use advect_core::{Generator, Key};
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let machine = RestrictedBoltzmannMachine::binary(6, 3, &store.builder())?;
/// let data = Tensor::ones((5, 6), DType::F32, &Device::Cpu)?;
/// let mut chains = ParallelTempering::new(&[0.0, 0.5, 1.0], 1, data.clone())?;
/// let negatives = chains.draw(&machine, &data, &mut Generator::from_seed(0))?;
/// assert_eq!(negatives.dims(), [5, 6]);
/// assert!(chains.exchange_rates()[0] > 0.5); // small weights: the temperatures are alike so far
/// # Ok(())
/// # }
/// ```
#[doc(alias = "PT")]
#[doc(alias = "replica exchange")]
#[derive(Debug, Clone)]
pub struct ParallelTempering {
    betas: Vec<f64>,
    steps: usize,
    /// States at each temperature.
    states: Vec<Tensor>,
    /// Exchanges that were made, and tried, between each temperature and the next.
    exchanges: Vec<(usize, usize)>,
    /// Whether the next exchanges are of the pairs (1, 2), (3, 4), … instead of (0, 1), (2, 3), …
    odd: bool,
}

impl ParallelTempering {
    /// Creates chains at inverse temperatures, which rise to 1, from first states `(chains, ...)` that are the same at all of them.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for other temperatures and for 0 steps; [`Error`](advect_core::Error) naming states that are empty or
    /// not finite.
    pub fn new(betas: &[f64], steps: usize, states: Tensor) -> Result<Self> {
        check_betas(betas, f64::NEG_INFINITY)?;
        check::at_least_one("steps", steps)?;
        check::batch("states", &states)?;
        check::finite("states", &states)?;
        Ok(ParallelTempering {
            betas: betas.to_vec(),
            steps,
            states: vec![states.detach(); betas.len()],
            exchanges: vec![(0, 0); betas.len() - 1],
            odd: false,
        })
    }

    /// Returns the states at each inverse temperature.
    pub fn states(&self) -> &[Tensor] {
        &self.states
    }

    /// Returns the share of exchanges between each temperature and the next that were made, NaN before the first. Where one is near 0, a temperature between the
    /// two is missing.
    pub fn exchange_rates(&self) -> Vec<f64> {
        let rates = self.exchanges.iter();
        rates
            .map(|(made, tried)| *made as f64 / *tried as f64)
            .collect()
    }

    /// Exchanges states between neighbouring temperatures.
    fn exchange<U: VisibleUnits>(
        &mut self,
        machines: &[RestrictedBoltzmannMachine<U>],
        rng: &mut Generator,
    ) -> Result<()> {
        let first = usize::from(self.odd);
        self.odd = !self.odd;
        for k in (first..machines.len() - 1).step_by(2) {
            let (v, w) = (self.states[k].clone(), self.states[k + 1].clone());
            let free = |k: usize, v: &Tensor| machines[k].free_energy(v);
            let now = (free(k, &v)? + free(k + 1, &w)?)?;
            let then = (free(k, &w)? + free(k + 1, &v)?)?;
            let log_odds = shape::cast(&(now - then)?, DType::F64)?.to_vec1::<f64>()?;
            let count = log_odds.len();
            let uniform = rng.values(&StandardUniform, count)?;
            let pairs = log_odds.iter().zip(&uniform);
            let made: Vec<u8> = pairs
                .map(|(l, u): (_, &f64)| u8::from(*u < l.exp()))
                .collect();
            let (all, tried) = self.exchanges[k];
            let number = made.iter().filter(|m| **m == 1).count();
            self.exchanges[k] = (all + number, tried + count);
            let made = Tensor::from_vec(made, count, &Device::Cpu)?.to_device(v.device())?;
            let made = shape::column(&made, v.rank())?.broadcast_as(v.shape())?;
            self.states[k] = made.where_cond(&w, &v)?;
            self.states[k + 1] = made.where_cond(&v, &w)?;
        }
        Ok(())
    }
}

impl<U: VisibleUnits> Negatives<RestrictedBoltzmannMachine<U>> for ParallelTempering {
    /// Returns the states at β = 1 after a number of steps, each with exchanges.
    fn draw(
        &mut self,
        model: &RestrictedBoltzmannMachine<U>,
        data: &Tensor,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        check_chains(&self.states[0], data)?;
        let model = model.frozen();
        let base = model.units().bias().zeros_like()?;
        let machines = self.betas.iter().map(|&beta| model.annealed(&base, beta));
        let machines: Vec<_> = machines.collect::<Result<_>>()?;
        for _ in 0..self.steps {
            for (machine, state) in machines.iter().zip(&mut self.states) {
                *state = machine.gibbs(state, rng)?;
            }
            self.exchange(&machines, rng)?;
        }
        Ok(self.states[self.states.len() - 1].clone())
    }
}
