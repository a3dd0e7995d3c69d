//! The sampler of Hamiltonian Monte Carlo.

use advect_core::{Error, Generator, Result, check};
use advect_solvers::stepper::Stepper;
use advect_solvers::symplectic::Leapfrog;
use candle_core::{DType, Tensor};
use rand_distr::StandardUniform;

use super::MassMatrix;
use super::trajectory::follow;
use crate::langevin::LogDensity;
use crate::langevin::places::Places;

/// Hamiltonian Monte Carlo: each chain gets a momentum of N(0, M), moves by L leapfrog steps of size ε along `H(x, p) = −log p(x) + ½ pᵀ M⁻¹ p`, and stays there with
/// probability `min(1, e^(H(start) − H(end)))`. The law of the chains is p for every ε, L and M (Neal 2011, section 5.3.2).
///
/// Each chain's random numbers depend on its number, not on how many run beside it.
///
/// ```
/// use advect_core::Generator;
/// use advect_samplers::hamiltonian::HamiltonianMonteCarlo;
/// use advect_samplers::langevin::Differentiated;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let normal = Differentiated(|x: &Tensor| Ok((x.sqr()?.sum(1)? * -0.5)?));
/// let x = Tensor::zeros((400, 1), DType::F64, &Device::Cpu)?;
/// let chains = HamiltonianMonteCarlo::new(0.5, 3)?.run(&normal, &x, 20, &mut Generator::from_seed(0))?;
/// assert_eq!(chains.states.dims(), [20, 400, 1]);
/// let variance = chains.states.get(19)?.sqr()?.mean_all()?.to_scalar::<f64>()?;
/// assert!((variance - 1.0).abs() < 0.25);
/// assert!(chains.acceptance > 0.95 && chains.divergences == 0);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "HMC")]
#[doc(alias = "hybrid Monte Carlo")]
#[doc(alias = "MCMC")]
#[derive(Debug, Clone)]
pub struct HamiltonianMonteCarlo<I = Leapfrog> {
    step_size: f64,
    steps: usize,
    jitter: f64,
    mass: MassMatrix,
    integrator: I,
}

/// The draws of parallel chains.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HamiltonianChains {
    /// The states after each proposal, `(count, chains, ...)`, part of no graph.
    pub states: Tensor,
    /// Their log-density, up to its constant, `(count, chains)`.
    pub log_density: Tensor,
    /// The mean of `min(1, e^(H(start) − H(end)))` over all proposals.
    pub acceptance: f64,
    /// The number of proposals whose energy grew by more than 1000 or became NaN or infinite, all of which were rejected: with more than a few, the step size is too large for places
    /// that the chains then don't reach.
    pub divergences: usize,
}

impl HamiltonianMonteCarlo {
    /// Creates the sampler with a step size ε, a number L of leapfrog steps, and unit masses. εL is the length of a trajectory: about as far as the density is wide.
    ///
    /// # Errors
    /// [`Error::Range`] unless both are above 0.
    pub fn new(step_size: f64, steps: usize) -> Result<Self> {
        Ok(HamiltonianMonteCarlo {
            step_size: check::positive("step_size", step_size)?,
            steps: check::at_least_one("steps", steps)?,
            jitter: 0.0,
            mass: MassMatrix::unit(),
            integrator: Leapfrog,
        })
    }
}

impl<I: Stepper<(Tensor, Tensor)>> HamiltonianMonteCarlo<I> {
    /// Sets the mass matrix.
    pub fn mass_matrix(self, mass: MassMatrix) -> Self {
        HamiltonianMonteCarlo { mass, ..self }
    }

    /// Draws the step size of each proposal between `1 − jitter` and `1 + jitter` times ε, the same for all chains, so that no period of the motion is met (Neal 2011,
    /// section 5.4.2.2). It is 0 by default.
    ///
    /// # Errors
    /// [`Error::Range`] unless it is in [0, 1).
    pub fn jitter(self, jitter: f64) -> Result<Self> {
        if !(0.0..1.0).contains(&jitter) {
            return Err(Error::range("jitter", jitter, "a number in [0, 1)"));
        }
        Ok(HamiltonianMonteCarlo { jitter, ..self })
    }

    /// Sets the [symplectic](advect_solvers::symplectic) method, such as Yoshida's of order 4, in place of leapfrog.
    pub fn integrator<J: Stepper<(Tensor, Tensor)>>(
        self,
        integrator: J,
    ) -> HamiltonianMonteCarlo<J> {
        HamiltonianMonteCarlo {
            step_size: self.step_size,
            steps: self.steps,
            jitter: self.jitter,
            mass: self.mass,
            integrator,
        }
    }

    /// Returns the step size ε.
    pub fn step_size(&self) -> f64 {
        self.step_size
    }

    /// Returns the number L of steps of a proposal.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// The sampler with another step size and number of steps.
    pub(super) fn with_steps(self, step_size: f64, steps: usize) -> Self {
        HamiltonianMonteCarlo {
            step_size,
            steps,
            ..self
        }
    }

    /// Makes `count` proposals for each sample of a batch, each of which is a chain.
    ///
    /// A density that returns an error ends the run with it.
    ///
    /// # Errors
    /// Typed errors for a start that is empty, no float, not finite, or of density 0, for a count of 0 or more states than fit the memory, and for a mass matrix of another
    /// size; the errors of the density.
    pub fn run(
        &self,
        density: &dyn LogDensity,
        x: &Tensor,
        count: usize,
        rng: &mut Generator,
    ) -> Result<HamiltonianChains> {
        check::at_least_one("count", count)?;
        check::memory("states", &[&[count], x.dims()].concat(), x.dtype())?;
        let mut places = Places::start(density, x)?;
        let (mut states, mut log_densities) = (Vec::new(), Vec::new());
        let (mut acceptance, mut divergences) = (0.0, 0);
        for _ in 0..count {
            let moved = self.propose(density, &places, rng)?;
            places = moved.places;
            acceptance += moved.acceptance;
            divergences += moved.divergences;
            states.push(places.x.clone());
            log_densities.push(places.log_density.clone());
        }
        Ok(HamiltonianChains {
            states: Tensor::stack(&states, 0)?,
            log_density: Tensor::stack(&log_densities, 0)?,
            acceptance: acceptance / count as f64,
            divergences,
        })
    }

    /// Makes one proposal for each chain, and takes it or not.
    pub(super) fn propose(
        &self,
        density: &dyn LogDensity,
        from: &Places,
        rng: &mut Generator,
    ) -> Result<Moved> {
        let batch = from.x.dims()[0];
        let momentum = rng.normal_by_sample(0, &from.x.reshape((batch, ()))?)?;
        let size = match self.jitter {
            0.0 => self.step_size,
            jitter => {
                let uniform =
                    rng.uniform(-jitter..jitter, (), DType::F64, &candle_core::Device::Cpu)?;
                self.step_size * (1.0 + uniform.to_scalar::<f64>()?)
            }
        };
        let mass = self.mass.like(&momentum)?;
        let end = follow(
            &self.integrator,
            density,
            &mass,
            from,
            &momentum,
            (size, self.steps),
        )?;
        let uniform = rng.values_by_sample(&StandardUniform, 0, batch, 1)?;
        let pairs = uniform.iter().zip(&end.growth);
        let take: Vec<bool> = pairs.map(|(u, growth)| u.ln() < -growth).collect();
        let acceptances = end.growth.iter().map(|growth| (-growth).exp().min(1.0));
        Ok(Moved {
            places: end.places.chosen(&take, from)?,
            acceptance: acceptances.sum::<f64>() / batch as f64,
            divergences: end.growth.iter().filter(|g| g.is_infinite()).count(),
        })
    }
}

/// All chains after a proposal.
pub(super) struct Moved {
    pub(super) places: Places,
    /// The mean probability of acceptance.
    pub(super) acceptance: f64,
    pub(super) divergences: usize,
}
