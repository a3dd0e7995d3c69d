//! Steps towards a measurement (Chung et al., Diffusion posterior sampling for general noisy inverse problems, 2023,
//! algorithms 1 and 2).

use advect_core::Result;
use candle_core::Tensor;

use super::Rule;
use crate::inverse::Likelihood;
use crate::{Run, Transition};

/// A rule that makes a step of another rule from x to x', and then one towards a measurement: `x' + ∇_x log p(y |
/// x̂1(x))`.
///
/// With [`Dps`](crate::inverse::Dps) it is `x' − (ζ/‖y − A(x̂1)‖) ∇_x ‖y − A(x̂1(x))‖²`, and around
/// [`Ancestral`](super::Ancestral) the paper's algorithm 1. The gradient is added as it is, whatever the length of the
/// step, so that its weight belongs to a number of steps. In a [`Posterior`](crate::inverse::Posterior) it is part of
/// the score instead, and sampled to any accuracy.
///
/// ```
/// use advect_core::{Generator, field_fn};
/// use advect_paths::{Prediction, schedule::Cosine};
/// use advect_samplers::grid::UniformLogSnr;
/// use advect_samplers::inverse::{Dps, measurement_fn};
/// use advect_samplers::rule::{Ancestral, LikelihoodStep, Rule};
/// use advect_samplers::{Model, Sampler};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // The noise of data N(0, I) on this path. Its norm was measured to be 3.
/// let net = field_fn(|t, x| t.coefficient(|t| (std::f64::consts::FRAC_PI_2 * t).cos())?.times(x));
/// let model = Model::new(&net, Prediction::Noise, Cosine);
/// let norm = measurement_fn(|x| Ok(x.sqr()?.sum_keepdim(1)?.sqrt()?));
/// let y = Tensor::new(&[[3f64]], &Device::Cpu)?;
/// let rule = LikelihoodStep::new(Ancestral::new(), Dps::new(&norm, &y, 0.1)?);
///
/// let mut rng = Generator::from_seed(0);
/// let noise = rng.normal((100, 2), DType::F64, &Device::Cpu)?;
/// let x = rule.on(UniformLogSnr::new(100)?).sample(&model, &noise, &mut rng)?;
/// let norms = x.sqr()?.sum(1)?.sqrt()?;
/// assert!((norms - 3.0)?.abs()?.mean_all()?.to_scalar::<f64>()? < 0.2);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "DPS")]
#[doc(alias = "diffusion posterior sampling")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LikelihoodStep<R, L> {
    rule: R,
    likelihood: L,
}

impl<R: Rule, L: Likelihood> LikelihoodStep<R, L> {
    /// Creates the rule from another rule and the likelihood of a measurement.
    pub fn new(rule: R, likelihood: L) -> Self {
        LikelihoodStep { rule, likelihood }
    }
}

impl<R: Rule, L: Likelihood> Rule for LikelihoodStep<R, L> {
    type Memory = R::Memory;

    fn step(
        &self,
        run: &mut Run<'_>,
        memory: &mut R::Memory,
        transition: &Transition,
        x: &Tensor,
    ) -> Result<Tensor> {
        let next = self.rule.step(run, memory, transition, x)?;
        let gradient = run.likelihood_gradient(&self.likelihood, transition.from.time, x)?;
        Ok((next + gradient)?)
    }

    fn forget_state(&self, memory: &mut R::Memory) {
        self.rule.forget_state(memory);
    }

    fn denoise(&self, run: &mut Run<'_>, transition: &Transition, x: &Tensor) -> Result<Tensor> {
        self.rule.denoise(run, transition, x)
    }
}
