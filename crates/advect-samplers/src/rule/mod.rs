//! Rules, which make one step from a noise level to the next.
//!
//! | rule | step | evaluations per step |
//! | --- | --- | --- |
//! | [`Ancestral`] | DDPM's reverse step | 1 |
//! | [`Ddim`] | DDIM with any η, invertible for η = 0 | 1 |
//! | [`Edm`] | Euler or Heun in `σ/α`, with churn | 1, or 2 except in a step to clean data |
//! | [`DpmSolver`] | DPM-Solver++ multistep of order 1, 2 or 3, or its SDE | 1 |
//! | [`UniPc`] | UniPC of order 1, 2 or 3 | 1 |
//! | [`Plms`] | pseudo linear multistep (PNDM) | 1, but 2 in the first step |
//! | [`ReverseSde`] | the reverse-time SDE with any diffusion coefficient | 1 or 2 |
//! | [`AnnealedLangevin`] | Langevin steps at each level (NCSN) | 1 for each Langevin step |
//! | [`PredictorCorrector`] | another rule, and Langevin steps after it | the rule's, and 1 for each Langevin step |
//! | [`LikelihoodStep`] | another rule, and a step towards a measurement after it (DPS) | the rule's, and 1 |
//! | [`Inpaint`] | another rule, with a part of the data that is known | the rule's, times the resampling passes |
//!
//! A rule and a [`Grid`] make a sampler: `Ddim::new().on(UniformTime::new(50)?)`. All work on any affine path, for any prediction.
//! [`Edm`], [`Plms`] and [`AnnealedLangevin`] need levels with some data in them, α > 0.

mod ancestral;
mod annealed_langevin;
mod ddim;
mod dpm_solver;
mod edm;
mod inpaint;
mod likelihood_step;
mod plms;
mod predictor_corrector;
mod reverse_sde;
mod uni_pc;

use advect_core::{Error, Result};
use candle_core::Tensor;

use crate::grid::Grid;
use crate::{GridSampler, Run, Transition};

pub use crate::path_sde::SdeMethod;
pub use ancestral::{Ancestral, Variance};
pub use annealed_langevin::AnnealedLangevin;
pub use ddim::Ddim;
pub use dpm_solver::DpmSolver;
pub use edm::Edm;
pub use inpaint::Inpaint;
pub use likelihood_step::LikelihoodStep;
pub use plms::Plms;
pub use predictor_corrector::PredictorCorrector;
pub use reverse_sde::ReverseSde;
pub use uni_pc::{UniPc, UniPcMemory};

/// A rule that makes one step. Your own rule is one impl:
///
/// ```
/// use advect_core::{Generator, Result, Time, field_fn};
/// use advect_paths::{Prediction, schedule::CondOt};
/// use advect_samplers::grid::UniformTime;
/// use advect_samplers::rule::Rule;
/// use advect_samplers::{Transition, Model, Run, Sampler};
/// use candle_core::{Device, Tensor};
///
/// /// Noise anew at every level: `α E[x1 | x] + σ z`, as consistency models are sampled.
/// struct Renoise;
///
/// impl Rule for Renoise {
///     type Memory = ();
///     fn step(&self, run: &mut Run<'_>, _: &mut (), transition: &Transition, x: &Tensor) -> Result<Tensor> {
///         let z = run.normal_like(x)?;
///         run.evaluate(transition.from.time, x)?.mix(transition.to.alpha, 0.0, &[(transition.to.sigma, &z)])
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let net = field_fn(|_, x| Ok(x.affine(0.0, 2.0)?));
/// let schedule = CondOt::default();
/// let model = Model::new(&net, Prediction::Data, &schedule);
/// let noise = Tensor::new(&[[0.3f64]], &Device::Cpu)?;
/// let x = Renoise.on(UniformTime::new(3)?).sample(&model, &noise, &mut Generator::from_seed(0))?;
/// assert_eq!(x.to_vec2::<f64>()?, [[2.0]]);
/// # Ok(())
/// # }
/// ```
pub trait Rule {
    /// The memory from one step to the next ones: values of the field, for multistep rules.
    type Memory: Default;

    /// Returns the state at the end of a transition, from the state at its start.
    ///
    /// # Errors
    /// The errors of the field; [`Error::Range`] for a transition that the rule can't make.
    fn step(
        &self,
        run: &mut Run<'_>,
        memory: &mut Self::Memory,
        transition: &Transition,
        x: &Tensor,
    ) -> Result<Tensor>;

    /// Forgets the state that the last step led to, as the next one begins with another: [`Inpaint`] calls it before it makes a
    /// step again. Values of the field at earlier levels stay. The default does nothing, for memories of such values alone.
    fn forget_state(&self, _: &mut Self::Memory) {}

    /// Makes a step in the other direction, along a transition on which the noise grows, for rules that follow the
    /// probability flow.
    ///
    /// # Errors
    /// As [`Rule::step`]; [`Error::Range`] unless the rule has one.
    fn invert(&self, _: &mut Run<'_>, _: &Transition, _: &Tensor) -> Result<Tensor> {
        let accepted = "one with an inverse, such as Ddim with η = 0 or a ProbabilityFlow";
        Err(Error::range("rule", "one without an inverse", accepted))
    }

    /// Returns the expected data `E[x1 | x]` at the end of the last transition, in place of a step, for
    /// [`LastStep::Denoise`](crate::LastStep::Denoise).
    ///
    /// # Errors
    /// The errors of the field; [`Error::Range`] where the data does not follow from the prediction.
    fn denoise(&self, run: &mut Run<'_>, transition: &Transition, x: &Tensor) -> Result<Tensor> {
        run.evaluate(transition.from.time, x)?.data()
    }

    /// Makes a sampler of this rule and a grid.
    fn on<G: Grid>(self, grid: G) -> GridSampler<Self, G>
    where
        Self: Sized,
    {
        GridSampler::new(self, grid)
    }
}
