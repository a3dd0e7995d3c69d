//! The Metropolis-adjusted Langevin algorithm (Roberts and Tweedie 1996; Roberts and Rosenthal, Optimal scaling of
//! discrete approximations to Langevin diffusions, 1998).

use advect_core::{Generator, Result, check, shape};
use advect_ops::combine;
use candle_core::Tensor;
use rand_distr::StandardUniform;

use super::LogDensity;
use super::acceptance::host;
use super::places::Places;

/// The Metropolis-adjusted Langevin algorithm: proposals `y = x + ½ h s(x) + √h z`, accepted with probability
/// `min(1, p(y) q(x | y) / (p(x) q(y | x)))`, `q(y | x) = N(y; x + ½ h s(x), h I)`: p is the law of the chain for
/// every h. Steps that accept 57 % of the proposals are about the best in many dimensions.
///
/// ```
/// use advect_core::Generator;
/// use advect_samplers::langevin::{Differentiated, MetropolisAdjusted};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let normal = Differentiated(|x: &Tensor| Ok((x.sqr()?.sum(1)? * -0.5)?));
/// let mut rng = Generator::from_seed(0);
/// let x = Tensor::zeros((4000, 1), DType::F64, &Device::Cpu)?;
/// let chain = MetropolisAdjusted::new(1.0)?.run(&normal, &x, 30, &mut rng)?;
/// let variance = chain.x.sqr()?.mean_all()?.to_scalar::<f64>()?;
/// assert!((variance - 1.0).abs() < 0.08);
/// assert!(chain.accepted > 0.8 && chain.accepted < 1.0);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "MALA")]
#[doc(alias = "MCMC")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetropolisAdjusted {
    step: f64,
}

/// The result of a number of steps: the states of the chains.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Chain {
    /// The states, one chain for each sample.
    pub x: Tensor,
    /// Their log-density, up to its constant, `(batch,)`.
    pub log_density: Tensor,
    /// The fraction of the proposals that were accepted.
    pub accepted: f64,
}

impl MetropolisAdjusted {
    /// Creates the algorithm with a step size h.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless h is above 0.
    pub fn new(step: f64) -> Result<Self> {
        Ok(MetropolisAdjusted {
            step: check::positive("step", step)?,
        })
    }

    /// Makes `count` steps of each sample of a batch.
    ///
    /// A proposal whose density is 0 or not a number is not accepted; a density that returns an error ends the run with it.
    ///
    /// # Errors
    /// Typed errors for a start that is empty, no float, not finite, or of density 0; the errors of the density.
    pub fn run(
        &self,
        density: &dyn LogDensity,
        x: &Tensor,
        count: usize,
        rng: &mut Generator,
    ) -> Result<Chain> {
        let batch = check::batch("x", x)?;
        let mut here = Places::start(density, x)?;
        let mut accepted = 0;
        for _ in 0..count {
            let z = rng.normal_like(&here.x)?;
            let proposal = combine(&[
                (1.0.into(), &here.x),
                ((0.5 * self.step).into(), &here.score),
                (self.step.sqrt().into(), &z),
            ])?;
            let there = Places::at(density, proposal)?;
            // ‖y − x − ½ h s(x)‖² of the step as it was rounded, and of the one back.
            let distances = |to: &Tensor, from: &Tensor, score: &Tensor| {
                let miss = combine(&[
                    (1.0.into(), to),
                    ((-1.0).into(), from),
                    ((-0.5 * self.step).into(), score),
                ])?;
                host(&shape::sum_squares_per_sample(&miss)?)
            };
            let forth = distances(&there.x, &here.x, &here.score)?;
            let back = distances(&here.x, &there.x, &there.score)?;
            let (before, after) = (host(&here.log_density)?, host(&there.log_density)?);
            let uniform = rng.values(&StandardUniform, batch)?;
            let take: Vec<bool> = (0..batch)
                .map(|i| {
                    let transition = 0.5 * (forth[i] - back[i]) / self.step;
                    let ratio = after[i] - before[i] + transition;
                    uniform[i].ln() < ratio && ratio.is_finite()
                })
                .collect();
            accepted += take.iter().filter(|taken| **taken).count();
            here = there.chosen(&take, &here)?;
        }
        Ok(Chain {
            x: here.x,
            log_density: here.log_density,
            accepted: accepted as f64 / (batch * count.max(1)) as f64,
        })
    }
}
