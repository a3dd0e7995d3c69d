//! The reverse-time SDE with any diffusion coefficient (Song et al. 2021a, eq. 6; Albergo, Boffi and Vanden-Eijnden 2023; Ma et
//! al., SiT, 2024).

use advect_core::{Error, Field, Result, Time, field_fn};
use advect_ops::combine;
use advect_paths::Prediction;
use advect_solvers::sde::{Additive, BrownianPath, EulerMaruyama, Sra1, StratonovichHeun};
use advect_solvers::{Interval, stepper::Stepper};
use candle_core::Tensor;

use super::Rule;
use crate::diffusion::{DiffusionCoefficient, ForwardDiffusion};
use crate::{Run, Transition};

/// The method of a step of an SDE with additive noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum SdeMethod {
    /// Euler and Maruyama's method: one evaluation, at the start of the step.
    #[doc(alias = "Euler–Maruyama")]
    #[doc(alias = "Euler-Maruyama")]
    #[default]
    EulerMaruyama,
    /// Heun's method: two evaluations, one of them at the end of the step.
    Heun,
    /// The method SRA1, of strong order 1.5: two evaluations, one of them within the step.
    Sra1,
}

/// The reverse-time SDE `dx = [u + ½ w² s] dt + w dW` with the velocity u, the score s and any w(t), whose marginals
/// equal those of the path for every w. w = 0 is the probability-flow ODE, and the forward process's g gives the
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
    diffusion: W,
    method: SdeMethod,
}

impl<W: DiffusionCoefficient> ReverseSde<W> {
    /// Creates the rule with a diffusion coefficient and Euler and Maruyama's method.
    pub fn new(diffusion: W) -> Self {
        ReverseSde {
            diffusion,
            method: SdeMethod::default(),
        }
    }

    /// Sets the method.
    pub fn method(self, method: SdeMethod) -> Self {
        ReverseSde { method, ..self }
    }

    /// w², checked.
    fn squared(&self, run: &Run<'_>, t: f64) -> Result<f64> {
        let squared = self.diffusion.squared(run.model().schedule(), t);
        match squared >= 0.0 && squared.is_finite() {
            true => Ok(squared),
            false => {
                let accepted = "one that is finite and not negative at every step";
                let given = format!("w² = {squared} at t = {t}");
                Err(Error::range("diffusion", given, accepted))
            }
        }
    }

    /// `u + ½ w² s`, from one evaluation.
    fn drift(&self, run: &Run<'_>, t: f64, x: &Tensor) -> Result<Tensor> {
        let model = run.model();
        let squared = self.squared(run, t)?;
        let estimate = run.evaluate(t, x)?;
        let factors = |to| model.prediction().factors(to, model.schedule(), t);
        let [mut of_x, mut of_value] = factors(Prediction::Velocity)?;
        if squared != 0.0 {
            let score = factors(Prediction::Score)?;
            of_x += 0.5 * squared * score[0];
            of_value += 0.5 * squared * score[1];
        }
        combine(&[(of_x.into(), x), (of_value.into(), estimate.value())])
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
        let (start, end) = (transition.from.time, transition.to.time);
        if transition.to.is_clean() {
            return run.evaluate(start, x)?.data();
        }
        if run.is_quiet() {
            let drift = self.drift(run, start, x)?;
            return combine(&[(1.0.into(), x), ((end - start).into(), &drift)]);
        }
        // Where the noise is asked; the drift checks the rest.
        self.squared(run, start)?;
        if self.method != SdeMethod::EulerMaruyama {
            self.squared(run, end)?;
        }
        let (key, first) = run.noise_key();
        let path = BrownianPath::new(key, x, start, end)?.by_sample(first);
        let run = &*run;
        let drift = field_fn(|t, x| match t {
            Time::Shared(t) => self.drift(run, *t, x),
            Time::PerSample(_) => Err(Error::range("t", "one per sample", "one for all")),
        });
        let schedule = run.model().schedule();
        let noise = Additive(|t: f64| self.diffusion.squared(schedule, t).sqrt());
        let interval = Interval::Shared { start, end };
        let field: &dyn Field = &drift;
        let step = match self.method {
            SdeMethod::EulerMaruyama => {
                EulerMaruyama::new(noise, path).step(field, &interval, x, None)
            }
            SdeMethod::Heun => StratonovichHeun::new(noise, path).step(field, &interval, x, None),
            SdeMethod::Sra1 => Sra1::new(noise, path).step(field, &interval, x, None),
        };
        Ok(step?.x)
    }
}
