//! The Ising model.

use advect_core::{Error, Generator, Result, check, shape};
use candle_core::{DType, Device, Tensor};

use super::periodic::{check_extents, check_field, sum_of_forward_neighbours};
use super::{Action, neighbour_correlation};
use crate::boltzmann::enumeration::{blocks, states};
use crate::boltzmann::{Gibbs, MarkovKernel};

/// The Ising model: spins s(x) = ±1 with `p ∝ e^(K Σ_x Σ_μ s(x) s(x + μ̂))` and periodic boundaries, in any number of dimensions, for a coupling `K = J/T`.
///
/// Configurations are floats. They move by [`Gibbs`] sampling, one half of a checkerboard after the other, or by [`Wolff`](super::Wolff)'s clusters.
///
/// ```
/// use advect_classics::boltzmann::{Gibbs, MarkovKernel};
/// use advect_classics::lattice::{Ising, onsager_energy};
/// use advect_core::Generator;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let model = Ising::new(&[16, 16], 0.2)?;
/// let start = Tensor::ones((100, 16, 16), DType::F32, &Device::Cpu)?;
/// let spins = Gibbs.steps(&model, &start, 30, &mut Generator::from_seed(0))?;
/// let energy = model.energy(&spins)?.mean_all()?.to_scalar::<f32>()?;
/// assert!((f64::from(energy) - onsager_energy(0.2)?).abs() < 0.05);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Ising {
    extents: Vec<usize>,
    coupling: f64,
}

impl Ising {
    /// Creates the model on a lattice, with its coupling K.
    ///
    /// # Errors
    /// [`Error::Shape`] unless all extents are at least 2; [`Error::Range`] for a coupling that is not finite.
    pub fn new(extents: &[usize], coupling: f64) -> Result<Self> {
        check_extents(extents, 2)?;
        Ok(Ising {
            extents: extents.to_vec(),
            coupling: check::finite_number("coupling", coupling)?,
        })
    }

    /// Returns the extents of the lattice.
    pub fn extents(&self) -> &[usize] {
        &self.extents
    }

    /// Returns the coupling K.
    pub fn coupling(&self) -> f64 {
        self.coupling
    }

    /// Returns the energy of a site, `−(1/V) Σ_x Σ_μ s(x) s(x + μ̂)`, of each configuration, `(batch,)`.
    ///
    /// # Errors
    /// [`Error`] for configurations of another shape and for spins that are not ±1.
    pub fn energy(&self, spins: &Tensor) -> Result<Tensor> {
        self.check(spins)?;
        Ok((neighbour_correlation(spins)? * -(self.extents.len() as f64))?)
    }

    /// Returns the mean energy of a site by enumeration of all configurations.
    ///
    /// # Errors
    /// [`Error::Range`] for more than 20 sites.
    pub fn mean_energy(&self) -> Result<f64> {
        let sites: usize = self.extents.iter().product();
        let like = Tensor::zeros(1, DType::F64, &Device::Cpu)?;
        let mut energies = Vec::with_capacity(1 << sites.min(20));
        for numbers in blocks("extents", sites)? {
            let spins = states(numbers, sites, &like)?.affine(2.0, -1.0)?;
            let spins = spins.reshape([&[spins.dims()[0]], &self.extents[..]].concat())?;
            energies.extend(self.energy(&spins)?.to_vec1::<f64>()?);
        }
        // Weights relative to the largest, that of an energy which a lattice of odd extents may not reach in all its bonds.
        let exponent = |energy: f64| -self.coupling * sites as f64 * energy;
        let largest = energies
            .iter()
            .copied()
            .map(exponent)
            .fold(f64::NEG_INFINITY, f64::max);
        let (mut sum, mut weighted) = (0.0, 0.0);
        for energy in energies {
            let weight = (exponent(energy) - largest).exp();
            sum += weight;
            weighted += weight * energy;
        }
        Ok(weighted / sum)
    }

    /// Checks that configurations are spins on the lattice.
    pub(super) fn check(&self, spins: &Tensor) -> Result<()> {
        check_field(spins, &self.extents)?;
        check::finite("spins", spins)?;
        let off = (spins.detach().abs()? - 1.0)?
            .abs()?
            .flatten_all()?
            .max(0)?;
        if shape::cast(&off, DType::F64)?.to_scalar::<f64>()? > 0.0 {
            return Err(Error::range("spins", "other numbers", "1 and −1"));
        }
        Ok(())
    }

    /// 1 where the coordinates have an even sum and 0 elsewhere, with a dimension for the batch.
    fn checkerboard(&self, like: &Tensor) -> Result<Tensor> {
        let mut sums = Tensor::zeros(1, DType::F64, &Device::Cpu)?;
        for &extent in &self.extents {
            let line = Tensor::arange(0f64, extent as f64, &Device::Cpu)?;
            sums = sums.unsqueeze(sums.rank())?.broadcast_add(&line)?;
        }
        // cos² (π n/2) is 1 for even n.
        let even = (sums * std::f64::consts::FRAC_PI_2)?
            .cos()?
            .sqr()?
            .round()?;
        Ok(even.to_dtype(like.dtype())?.to_device(like.device())?)
    }
}

impl Action for Ising {
    fn action(&self, field: &Tensor) -> Result<Tensor> {
        let sites = self.extents.iter().product::<usize>() as f64;
        Ok((self.energy(field)? * (self.coupling * sites))?)
    }
}

/// A sweep: all spins of one colour of a checkerboard given those of the other, `p(s = 1) = σ(2 K Σ s)` with the sum over the neighbours, then the other colour. All extents have to be even.
impl MarkovKernel<Ising> for Gibbs {
    fn step(&self, model: &Ising, x: &Tensor, rng: &mut Generator) -> Result<Tensor> {
        model.check(x)?;
        if model.extents.iter().any(|extent| extent % 2 == 1) {
            let accepted = "even extents, on which a checkerboard closes";
            return Err(Error::shape("extents", &model.extents, accepted));
        }
        let even = model.checkerboard(x)?;
        let mut spins = x.detach();
        for colour in [&even, &even.affine(-1.0, 1.0)?] {
            let mut sum = sum_of_forward_neighbours(&spins)?;
            for d in 1..spins.rank() {
                sum = (sum + spins.roll(1, d)?)?;
            }
            let up = ((sum * (-2.0 * model.coupling))?.exp()? + 1.0)?.recip()?;
            let uniform = rng.uniform(0.0..1.0, x.shape(), x.dtype(), x.device())?;
            let drawn = uniform.lt(&up)?.to_dtype(x.dtype())?.affine(2.0, -1.0)?;
            let changed = (drawn - &spins)?.broadcast_mul(colour)?;
            spins = (spins + changed)?;
        }
        Ok(spins)
    }
}
