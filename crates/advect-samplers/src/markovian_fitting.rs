//! Iterative Markovian fitting (Shi et al. 2023, "Diffusion Schrödinger bridge matching", algorithm 1; Peluchetti 2023,
//! "Diffusion bridge mixture transports, Schrödinger bridge problems and generative modeling").

use advect_core::{Field, Generator, Result};
use advect_paths::Direction;
use advect_paths::coupling::{Coupling, Independent};
use candle_core::Tensor;

use crate::BridgeSampler;

/// The alternation of iterative Markovian fitting (DSBM), which converges to the Schrödinger bridge between two
/// laws by training the drift of each direction on pairs that the other one simulates.
///
/// In each round, [`MarkovianFitting::pairs`] gives pairs (x0, x1) for the drift in [`MarkovianFitting::direction`]:
/// in the first round those of a [`Coupling`], then those of the process that was trained last, one end being data
/// and the other simulated. You train a drift on them by `bridge_matching` of `advect-objectives`, in any way, and
/// hand it over to [`MarkovianFitting::fitted`], which turns the direction. In every round the process has both laws
/// as its ends, as far as its training goes, and its relative entropy to the bridge falls.
///
/// The first drift goes backwards, so that two rounds end with one that goes forwards. Once trained, both are kept:
/// they belong to the same process.
///
/// ```
/// use advect_core::{Generator, Time, field_fn};
/// use advect_paths::Direction;
/// use advect_paths::coupling::Independent;
/// use advect_samplers::{BridgeSampler, MarkovianFitting};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let mut rng = Generator::from_seed(0);
/// let x0 = Tensor::new(&[[0.0f64], [1.0]], &Device::Cpu)?;
/// let x1 = Tensor::new(&[[5.0f64], [6.0]], &Device::Cpu)?;
/// let mut fitting = MarkovianFitting::new(BridgeSampler::new(1e-3, 10)?, Independent);
/// assert_eq!(fitting.direction(), Direction::Backwards);
/// let (_, _) = fitting.pairs(&x0, &x1, &mut rng)?; // to train a drift on, which is known here
/// fitting.fitted(field_fn(|_, x: &Tensor| Ok((x.ones_like()? * 5.0)?)));
/// assert_eq!(fitting.direction(), Direction::Forwards);
/// let (simulated, data) = fitting.pairs(&x0, &x1, &mut rng)?;
/// assert_eq!(data.to_vec2::<f64>()?, [[5.0], [6.0]]);
/// assert!((simulated - x0)?.abs()?.max_all()?.to_scalar::<f64>()? < 0.01);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "DSBM")]
#[doc(alias = "IMF")]
#[doc(alias = "Schrödinger bridge")]
#[derive(Debug, Clone)]
pub struct MarkovianFitting<F, C = Independent> {
    sampler: BridgeSampler,
    coupling: C,
    direction: Direction,
    forwards: Option<F>,
    backwards: Option<F>,
}

impl<F: Field, C: Coupling> MarkovianFitting<F, C> {
    /// Creates the alternation from the sampler of its processes, whose diffusion is that of the bridge, and the
    /// pairs of the first round.
    pub fn new(sampler: BridgeSampler, coupling: C) -> Self {
        MarkovianFitting {
            sampler,
            coupling,
            direction: Direction::Backwards,
            forwards: None,
            backwards: None,
        }
    }

    /// Sets the direction of the next drift.
    #[must_use]
    pub fn starting(self, direction: Direction) -> Self {
        MarkovianFitting { direction, ..self }
    }

    /// Returns the direction of the drift that is trained next.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Returns the drift of a direction, once there is one.
    pub fn drift(&self, direction: Direction) -> Option<&F> {
        match direction {
            Direction::Forwards => self.forwards.as_ref(),
            Direction::Backwards => self.backwards.as_ref(),
        }
    }

    /// Returns pairs (x0, x1) for training, from batches of sources and targets: those of the coupling while the
    /// drift of the other direction is missing, then one unchanged batch with the ends to which this drift carries
    /// it.
    ///
    /// Call it for each batch, so that all pairs are fresh, or, as simulation takes longer than a step of training, for
    /// a large set of which batches are drawn for a while.
    ///
    /// # Errors
    /// The errors of the coupling, and those of [`BridgeSampler::sample`].
    pub fn pairs(&self, x0: &Tensor, x1: &Tensor, rng: &mut Generator) -> Result<(Tensor, Tensor)> {
        let simulate = |drift: &F, direction, start: &Tensor, rng: &mut Generator| {
            self.sampler.sample(drift, direction, start, rng.split())
        };
        self.pairs_by(x0, x1, rng, simulate)
    }

    /// Returns pairs as [`MarkovianFitting::pairs`] does, but simulates them in your way: `simulate` takes the drift,
    /// its direction, a batch at its start and the generator, and returns the batch at its end.
    ///
    /// # Errors
    /// The errors of the coupling and of `simulate`.
    pub fn pairs_by(
        &self,
        x0: &Tensor,
        x1: &Tensor,
        rng: &mut Generator,
        simulate: impl FnOnce(&F, Direction, &Tensor, &mut Generator) -> Result<Tensor>,
    ) -> Result<(Tensor, Tensor)> {
        let from = self.direction.reversed();
        match (self.drift(from), from) {
            (None, _) => {
                let pairs = self.coupling.pair(x0, x1, rng)?;
                Ok((pairs.source(x0)?, pairs.target(x1)?))
            }
            (Some(drift), Direction::Forwards) => Ok((x0.clone(), simulate(drift, from, x0, rng)?)),
            (Some(drift), Direction::Backwards) => {
                Ok((simulate(drift, from, x1, rng)?, x1.clone()))
            }
        }
    }

    /// Sets the drift that was trained on these pairs, and turns the direction.
    pub fn fitted(&mut self, drift: F) {
        match self.direction {
            Direction::Forwards => self.forwards = Some(drift),
            Direction::Backwards => self.backwards = Some(drift),
        }
        self.direction = self.direction.reversed();
    }
}
