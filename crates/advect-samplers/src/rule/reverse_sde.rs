//! The reverse-time SDE with any diffusion coefficient (Song et al. 2021a, eq. 6; Albergo, Boffi and Vanden-Eijnden 2023; Ma et
//! al., SiT, 2024).

use advect_core::Result;
use candle_core::Tensor;

use super::Rule;
use crate::diffusion::{DiffusionCoefficient, ForwardDiffusion};
use crate::{PathSde, Run, SdeMethod, Transition};

/// The reverse-time SDE `dx = [u + ½ w² s] dt + w dW` with the velocity u, the score s and any w(t), whose marginals
/// equal those of the path for every w: a [`PathSde`] from noise to data. w = 0 is the probability-flow ODE, and the forward process's g gives the
/// reverse SDE of score models.
///
/// At clean data the score is infinite, and the SDE can't be asked: a step there goes to the expected data. On a grid that ends
/// before, [`LastStep`](crate::LastStep) says how the last step is made; without noise it is Euler's.
///
/// ```
/// use advect_core::Generator;
/// use advect_paths::closed_form::{Covariance, Gaussian, Law};
/// use advect_paths::{Prediction, schedule::CondOt};
/// use advect_samplers::grid::UniformTime;
/// use advect_samplers::rule::{ReverseSde, Rule};
/// use advect_samplers::diffusion::NoiseLevel;
/// use advect_samplers::{LastStep, Model, Sampler};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let law = Gaussian::new(&Tensor::new(&[2f64], &Device::Cpu)?, Covariance::isotropic(0.25)?)?;
/// let schedule = CondOt::default();
/// let field = law.velocity(&schedule);
/// let mut rng = Generator::from_seed(0);
/// let noise = rng.normal((2000, 1), DType::F64, &Device::Cpu)?;
/// let sampler = ReverseSde::new(NoiseLevel::new(1.0)?).on(UniformTime::new(100)?).last_step(LastStep::Mean);
/// let x = sampler.sample(&Model::new(&field, Prediction::Velocity, &schedule), &noise, &mut rng)?;
/// assert!((x.mean_all()?.to_scalar::<f64>()? - 2.0).abs() < 0.05);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "score SDE")]
#[doc(alias = "reverse diffusion")]
#[doc(alias = "SiT")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReverseSde<W = ForwardDiffusion> {
    sde: PathSde<W>,
}

impl<W: DiffusionCoefficient> ReverseSde<W> {
    /// Creates the rule with a diffusion coefficient and Euler and Maruyama's method.
    pub fn new(diffusion: W) -> Self {
        ReverseSde {
            sde: PathSde::new(diffusion),
        }
    }

    /// Sets the method.
    pub fn method(self, method: SdeMethod) -> Self {
        ReverseSde {
            sde: self.sde.method(method),
        }
    }
}

impl<W: DiffusionCoefficient> Rule for ReverseSde<W> {
    type Memory = ();

    fn step(
        &self,
        run: &mut Run<'_>,
        _: &mut (),
        transition: &Transition,
        x: &Tensor,
    ) -> Result<Tensor> {
        match transition.to.is_clean() {
            true => run.evaluate(transition.from.time, x)?.data(),
            false => self.sde.step(run, transition, x),
        }
    }
}
