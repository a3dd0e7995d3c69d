//! Ancestral sampling: the reverse steps of DDPM (Ho, Jain and Abbeel 2020, eq. 6–7 and algorithm 2).

use advect_core::Result;
use candle_core::Tensor;

use super::Rule;
use crate::{Run, Transition};

/// The variance of a reverse step, with `r = α σ' / (α' σ)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Variance {
    /// The posterior variance `σ'² (1 − r²)` of `q(x' | x, x1)`: β̃ of DDPM, the smaller one.
    #[default]
    Posterior,
    /// The variance `σ² (1 − r²) (α'² + σ'²)/(α² + σ²)`, exact for data N(0, I): β of DDPM on variance-preserving
    /// paths, the larger one.
    Forward,
    /// A variance between the two, `exp(f ln β + (1 − f) ln β̃)`, by the
    /// [`LearnedVariances`](advect_paths::LearnedVariances) of a [model with variances](crate::Model::with_variances)
    /// (Nichol and Dhariwal 2021, eq. 15).
    #[doc(alias = "iDDPM")]
    Learned,
}

/// Ancestral steps `x' = α' D + σ' r ε + s z`: the mean of `q(x' | x, x1)` at the expected data, and noise of a
/// [`Variance`] s². The step to clean data has no noise.
///
/// On DDPM's schedule and all of its steps this is algorithm 2 of Ho et al.; on any other it is the same for a coarser or a
/// continuous process.
///
/// ```
/// use advect_core::Generator;
/// use advect_paths::closed_form::{Covariance, Gaussian, Law};
/// use advect_paths::schedule::DiscreteDiffusion;
/// use advect_paths::Prediction;
/// use advect_samplers::grid::Respaced;
/// use advect_samplers::rule::{Ancestral, Rule};
/// use advect_samplers::{Model, Sampler};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let law = Gaussian::new(&Tensor::new(&[2f64], &Device::Cpu)?, Covariance::isotropic(0.25)?)?;
/// let schedule = DiscreteDiffusion::default();
/// let field = law.field(Prediction::Noise, &schedule);
/// let mut rng = Generator::from_seed(0);
/// let noise = rng.normal((2000, 1), DType::F64, &Device::Cpu)?;
/// let sampler = Ancestral::new().on(Respaced::all(1000)?);
/// let x = sampler.sample(&Model::new(&field, Prediction::Noise, &schedule), &noise, &mut rng)?;
/// assert!((x.mean_all()?.to_scalar::<f64>()? - 2.0).abs() < 0.05);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "DDPM")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ancestral {
    variance: Variance,
}

impl Ancestral {
    /// Creates the rule with the posterior's variance.
    pub fn new() -> Self {
        Ancestral::default()
    }

    /// Sets the variance.
    pub fn variance(self, variance: Variance) -> Self {
        Ancestral { variance }
    }
}

impl Rule for Ancestral {
    type Memory = ();

    fn step(
        &self,
        run: &mut Run<'_>,
        _: &mut (),
        transition: &Transition,
        x: &Tensor,
    ) -> Result<Tensor> {
        let (from, to) = (transition.from, transition.to);
        let ratio = (-transition.log_ratio()).exp();
        let estimate = run.evaluate(from.time, x)?;
        let noise = to.sigma * ratio;
        if to.is_clean() {
            return estimate.mix(to.alpha, noise, &[]);
        }
        let z = run.normal_like(x)?;
        let removed = transition.variance_removed().sqrt();
        let (small, large) = (to.sigma * removed, from.sigma * removed);
        let large = large * to.alpha.hypot(to.sigma) / from.alpha.hypot(from.sigma);
        match self.variance {
            Variance::Posterior => estimate.mix(to.alpha, noise, &[(small, &z)]),
            Variance::Forward => estimate.mix(to.alpha, noise, &[(large, &z)]),
            Variance::Learned => {
                let variances = estimate.learned_variances()?;
                let logs = variances.log_between(&small.ln().into(), &large.ln().into())?;
                let deviation = logs.exp()?;
                estimate.mix(to.alpha, noise, &[(1.0, &(deviation * z)?)])
            }
        }
    }
}
