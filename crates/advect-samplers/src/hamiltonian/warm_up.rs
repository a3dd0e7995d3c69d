//! Adaptation of the step size and the masses (Hoffman and Gelman 2014, algorithms 4 and 5; Stan's windows).

use advect_core::{Generator, Result, check, shape};
use advect_solvers::stepper::Stepper;
use advect_solvers::symplectic::Leapfrog;
use candle_core::{DType, Device, Tensor};

use super::windows::windows;
use super::{DualAveraging, HamiltonianMonteCarlo, MassMatrix};
use crate::langevin::LogDensity;
use crate::langevin::places::Places;

/// A warm-up: proposals that adapt the step size to a target acceptance, and the mass matrix to the covariance of the
/// states. They are no samples of the density, and are not kept.
///
/// The length εL of the given sampler's trajectories is kept: when the step size halves, the number of steps doubles. Lengths are in units of the masses, so that with adapted
/// masses a length of 1 to 2 suits most densities. All chains share step size and masses, which are adapted by all of them.
///
/// ```
/// use advect_core::Generator;
/// use advect_samplers::hamiltonian::{HamiltonianMonteCarlo, WarmUp};
/// use advect_samplers::langevin::Differentiated;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let narrow = Differentiated(|x: &Tensor| Ok((x.sqr()?.sum(1)? * -5000.0)?)); // N(0, 0.01²)
/// let x = Tensor::zeros((50, 3), DType::F64, &Device::Cpu)?;
/// let warm = WarmUp::new(100)?.run(&HamiltonianMonteCarlo::new(1.0, 2)?, &narrow, &x, &mut Generator::from_seed(0))?;
/// // In units of the masses.
/// assert!(warm.sampler.step_size() > 0.3 && warm.sampler.step_size() < 2.0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WarmUp {
    count: usize,
    acceptance: f64,
    masses: MassAdaptation,
}

/// The way in which a [`WarmUp`] sets the mass matrix.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MassAdaptation {
    /// The matrix stays unchanged.
    Fixed,
    /// A diagonal matrix, by the variance of each element.
    #[default]
    Diagonal,
    /// A dense matrix, by the covariance of the elements, which takes several times as many states as there are
    /// elements.
    Dense,
}

/// The result of a [`WarmUp`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WarmedUp<I = Leapfrog> {
    /// The sampler with the adapted step size and masses.
    pub sampler: HamiltonianMonteCarlo<I>,
    /// The last states of the chains, from which sampling continues.
    pub x: Tensor,
    /// The number of divergences on the way, most of them early.
    pub divergences: usize,
}

/// Steps of a trajectory at most, while a step size is too small.
const MOST_STEPS: usize = 1000;

impl WarmUp {
    /// Creates a warm-up of a number of proposals, with a target acceptance of 0.8 and masses for each element.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for 0 proposals.
    pub fn new(count: usize) -> Result<Self> {
        Ok(WarmUp {
            count: check::at_least_one("count", count)?,
            acceptance: 0.8,
            masses: MassAdaptation::default(),
        })
    }

    /// Sets the target acceptance; 0.65 is the best in many dimensions (Beskos et al. 2013), and more is safer.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless it is between 0 and 1, both excluded.
    pub fn acceptance(self, acceptance: f64) -> Result<Self> {
        DualAveraging::new(1.0, acceptance)?;
        Ok(WarmUp { acceptance, ..self })
    }

    /// Sets the adaptation of the masses.
    pub fn masses(self, masses: MassAdaptation) -> Self {
        WarmUp { masses, ..self }
    }

    /// Warms up chains, one for each sample of a batch.
    ///
    /// # Errors
    /// As [`HamiltonianMonteCarlo::run`].
    pub fn run<I: Stepper<(Tensor, Tensor)> + Clone>(
        &self,
        sampler: &HamiltonianMonteCarlo<I>,
        density: &dyn LogDensity,
        x: &Tensor,
        rng: &mut Generator,
    ) -> Result<WarmedUp<I>> {
        let length = sampler.step_size() * sampler.steps() as f64;
        let with = |sampler: HamiltonianMonteCarlo<I>, size: f64| {
            let steps = (length / size).round().clamp(1.0, MOST_STEPS as f64);
            sampler.with_steps(size, steps as usize)
        };
        let mut places = Places::start(density, x)?;
        let mut sampler = sampler.clone();
        let windows = match self.masses {
            MassAdaptation::Fixed => Vec::new(),
            _ => windows(self.count),
        };
        let mut averaging = self.averaging(&sampler, density, &places, rng)?;
        let (mut seen, mut divergences) = (Vec::new(), 0);
        for k in 0..self.count {
            sampler = with(sampler, averaging.step_size());
            let moved = sampler.propose(density, &places, rng)?;
            places = moved.places;
            divergences += moved.divergences;
            averaging.update(moved.acceptance)?;
            if windows.iter().any(|window| window.contains(&k)) {
                seen.push(places.x.reshape((places.x.dims()[0], ()))?);
            }
            if windows.iter().any(|window| window.end == k + 1) {
                let states = Tensor::cat(&seen, 0)?;
                seen.clear();
                sampler = sampler.mass_matrix(self.mass_matrix(&states)?);
                averaging = self.averaging(&sampler, density, &places, rng)?;
            }
        }
        let sampler = with(sampler, averaging.averaged_step_size());
        Ok(WarmedUp {
            sampler,
            x: places.x,
            divergences,
        })
    }

    /// Averages from a step size on at which about half of the proposals of one step are accepted (algorithm 4).
    fn averaging<I: Stepper<(Tensor, Tensor)> + Clone>(
        &self,
        sampler: &HamiltonianMonteCarlo<I>,
        density: &dyn LogDensity,
        places: &Places,
        rng: &mut Generator,
    ) -> Result<DualAveraging> {
        let mut size = sampler.step_size();
        let mut accepts = |size: f64| {
            let sampler = sampler.clone().with_steps(size, 1);
            Ok::<_, advect_core::Error>(sampler.propose(density, places, rng)?.acceptance > 0.5)
        };
        let grow = accepts(size)?;
        // 2^±50 is beyond all use.
        for _ in 0..50 {
            let next = if grow { 2.0 * size } else { 0.5 * size };
            let accepted = accepts(next)?;
            if accepted != grow {
                size = if grow { size } else { next };
                break;
            }
            size = next;
        }
        DualAveraging::new(size, self.acceptance)
    }

    /// The masses by states `(n, d)`: their variances or covariance, drawn a little towards 10⁻³ as in Stan, so that few states give no singular matrix.
    fn mass_matrix(&self, states: &Tensor) -> Result<MassMatrix> {
        let states = shape::cast(states, DType::F64)?.to_device(&Device::Cpu)?;
        let (n, d) = states.dims2()?;
        let centred = states.broadcast_sub(&states.mean_keepdim(0)?)?;
        let (weight, floor) = (n as f64 / (n as f64 + 5.0), 5e-3 / (n as f64 + 5.0));
        let most = (n as f64 - 1.0).max(1.0);
        match self.masses {
            MassAdaptation::Fixed => Ok(MassMatrix::unit()),
            MassAdaptation::Diagonal => {
                let variances = (centred.sqr()?.sum(0)? / most)?;
                MassMatrix::diagonal(&variances.affine(weight, floor)?)
            }
            MassAdaptation::Dense => {
                let products = centred.t()?.contiguous()?.matmul(&centred)?;
                let eye = Tensor::eye(d, DType::F64, &Device::Cpu)?;
                MassMatrix::dense(&((products * (weight / most))? + (eye * floor)?)?)
            }
        }
    }
}
