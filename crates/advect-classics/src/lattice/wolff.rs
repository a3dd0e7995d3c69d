//! Clusters of spins (Wolff 1989, "Collective Monte Carlo updating for spin systems").

use advect_core::{Error, Generator, Result, shape};
use candle_core::{DType, Device, Tensor};
use rand_distr::{Distribution, StandardUniform};

use super::Ising;
use crate::boltzmann::MarkovKernel;

/// Wolff's algorithm, which flips one cluster of each configuration in a step. The cluster grows from a random site over neighbours of the same spin, each with the
/// probability `1 − e^(−2K)`. Near the critical coupling clusters are as large as the correlations, which Gibbs sampling takes long to change.
///
/// It runs on the host. Each configuration's random numbers depend on its place in the batch.
///
/// ```
/// use advect_classics::boltzmann::MarkovKernel;
/// use advect_classics::lattice::{Ising, Wolff, onsager_energy};
/// use advect_core::Generator;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let model = Ising::new(&[16, 16], 0.5)?;
/// let start = Tensor::ones((20, 16, 16), DType::F32, &Device::Cpu)?;
/// let spins = Wolff.steps(&model, &start, 50, &mut Generator::from_seed(0))?;
/// let energy = model.energy(&spins)?.mean_all()?.to_scalar::<f32>()?;
/// assert!((f64::from(energy) - onsager_energy(0.5)?).abs() < 0.1);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "cluster algorithm")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wolff;

impl MarkovKernel<Ising> for Wolff {
    /// # Errors
    /// Those of [`Ising::energy`]; [`Error::Range`] for a negative coupling, whose neighbours are unlike.
    fn step(&self, model: &Ising, x: &Tensor, rng: &mut Generator) -> Result<Tensor> {
        model.check(x)?;
        if model.coupling() < 0.0 {
            let accepted = "a number not below 0 for clusters";
            return Err(Error::range("coupling", model.coupling(), accepted));
        }
        let mut spins = shape::cast(&x.detach().flatten_all()?, DType::F64)?.to_vec1::<f64>()?;
        let sites = model.extents().iter().product();
        let key = rng.split();
        for (i, spins) in spins.chunks_mut(sites).enumerate() {
            let mut stream = key.child(i as u64).stream(0);
            let mut uniform = || -> f64 { StandardUniform.sample(&mut stream) };
            flip_cluster(spins, model, &mut uniform);
        }
        let spins = Tensor::from_vec(spins, x.shape(), &Device::Cpu)?;
        Ok(spins.to_dtype(x.dtype())?.to_device(x.device())?)
    }
}

/// Turns over one cluster of a configuration.
fn flip_cluster(spins: &mut [f64], model: &Ising, uniform: &mut impl FnMut() -> f64) {
    let bond = -(-2.0 * model.coupling()).exp_m1();
    let seed = ((uniform() * spins.len() as f64) as usize).min(spins.len() - 1);
    let own = spins[seed];
    spins[seed] = -own;
    // Sites that were turned over and whose neighbours have not been asked.
    let mut open = vec![seed];
    while let Some(site) = open.pop() {
        let mut stride = spins.len();
        for &extent in model.extents() {
            stride /= extent;
            let place = site / stride % extent;
            let line = site - place * stride;
            for step in [1, extent - 1] {
                let neighbour = line + (place + step) % extent * stride;
                if spins[neighbour] == own && uniform() < bond {
                    spins[neighbour] = -own;
                    open.push(neighbour);
                }
            }
        }
    }
}
