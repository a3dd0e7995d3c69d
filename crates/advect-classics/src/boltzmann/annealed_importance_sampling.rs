//! Normalisers of restricted Boltzmann machines (Neal 2001, "Annealed importance sampling"; Salakhutdinov and Murray 2008, "On the quantitative analysis of
//! deep belief networks", section 4.1).

use advect_core::{Generator, Result, check};
use candle_core::{D, DType, Tensor};

use super::{RestrictedBoltzmannMachine, VisibleUnits};
use crate::ImportanceWeights;

/// Annealed importance sampling of ln Z: samples of independent units move through machines between these units and the given one
/// ([`annealed`](RestrictedBoltzmannMachine::annealed)), and each collects the weight `Π_k p̃_(k+1)(v_k)/p̃_k(v_k)`. The mean weight is Z, without bias.
///
/// Its logarithm comes with a standard error. More temperatures make the weights more equal, more chains make their mean more exact.
///
/// ```
/// use advect_classics::boltzmann::{AnnealedImportanceSampling, BinaryUnits, RestrictedBoltzmannMachine};
/// use advect_core::Generator;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let tensor = |x: f64| Tensor::new(&[x], &Device::Cpu);
/// let units = BinaryUnits::new(tensor(0.5)?)?;
/// let machine = RestrictedBoltzmannMachine::new(units, tensor(1.0)?.unsqueeze(0)?, tensor(-1.0)?)?;
/// let estimate = AnnealedImportanceSampling::new(50, 200)?.log_partition(&machine, &mut Generator::from_seed(0))?;
/// let exact = (1.0 + 0.5f64.exp() + (-1f64).exp() + 0.5f64.exp()).ln();
/// assert!((estimate.log_mean() - exact).abs() < 4.0 * estimate.standard_error());
/// # Ok(())
/// # }
/// ```
#[doc(alias = "AIS")]
#[doc(alias = "partition function")]
#[derive(Debug, Clone)]
pub struct AnnealedImportanceSampling {
    betas: Vec<f64>,
    chains: usize,
    data: Option<Tensor>,
}

impl AnnealedImportanceSampling {
    /// Creates the estimate by `chains` samples through `temperatures` steps of equal size of the inverse temperature.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for a count of 0.
    pub fn new(temperatures: usize, chains: usize) -> Result<Self> {
        check::at_least_one("temperatures", temperatures)?;
        let betas = (0..=temperatures).map(|k| k as f64 / temperatures as f64);
        Ok(AnnealedImportanceSampling {
            betas: betas.collect(),
            chains: check::at_least_one("chains", chains)?,
            data: None,
        })
    }

    /// Sets the inverse temperatures, which rise from 0 to 1.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for others.
    pub fn betas(self, betas: &[f64]) -> Result<Self> {
        super::negatives::check_betas(betas, 0.0)?;
        Ok(AnnealedImportanceSampling {
            betas: betas.to_vec(),
            ..self
        })
    }

    /// Starts from independent units fitted to data, instead of units without biases, so that fewer temperatures are
    /// enough.
    #[doc(alias = "base rates")]
    #[must_use]
    pub fn based_on(self, data: &Tensor) -> Self {
        AnnealedImportanceSampling {
            data: Some(data.detach()),
            ..self
        }
    }

    /// Returns the weights of the chains, whose [`log_mean`](ImportanceWeights::log_mean) is the estimate of ln Z.
    ///
    /// # Errors
    /// [`Error`](advect_core::Error) naming data that does not fit the machine; errors of the machine.
    pub fn log_partition<U: VisibleUnits>(
        &self,
        machine: &RestrictedBoltzmannMachine<U>,
        rng: &mut Generator,
    ) -> Result<ImportanceWeights> {
        let machine = machine.frozen();
        let bias = machine.units().bias();
        let base = match &self.data {
            Some(data) => {
                let rows = super::as_rows("data", data, bias)?;
                machine.units().check("data", &rows)?;
                machine.units().fitted_bias(&rows)?
            }
            None => bias.zeros_like()?,
        };
        let mut colder = machine.annealed(&base, 0.0)?;
        let no_input = Tensor::zeros((self.chains, bias.dims()[0]), bias.dtype(), bias.device())?;
        let mut v = colder.units().sample(&no_input, rng)?;
        // ln Z of the first machine, whose hidden units are free.
        let hidden = machine.hidden_bias().elem_count() as f64;
        let mut log_weights = (colder.units().log_normalizer(&no_input)? + hidden * 2f64.ln())?;
        for (k, &beta) in self.betas.iter().enumerate().skip(1) {
            let next = machine.annealed(&base, beta)?;
            let gain = (colder.free_energy(&v)? - next.free_energy(&v)?)?;
            log_weights = (log_weights + gain)?;
            if k + 1 < self.betas.len() {
                v = next.gibbs(&v, rng)?;
            }
            colder = next;
        }
        ImportanceWeights::new(&log_weights.to_dtype(DType::F64)?.flatten_to(D::Minus1)?)
    }
}
