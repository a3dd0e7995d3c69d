//! Objectives, which turn a field and a batch of pairs into one loss per sample.
//!
//! Nearly all are a [`Regression`] of a field's predictions on the targets of a path, at times of some law, with a weighting
//! and a distance. These compositions have names:
//!
//! | objective | path | prediction | times | weights |
//! | --- | --- | --- | --- | --- |
//! | [`flow_matching`] | any | velocity | uniform | 1 |
//! | [`rectified_flow`], also iterative α-(de)blending | straight lines | velocity | uniform | 1 |
//! | [`one_step_distillation`] | straight lines | velocity | 0 | 1 |
//! | [`stable_diffusion_3`] | straight lines | velocity | logit-normal | 1 |
//! | [`interpolant_velocity`] | any | velocity | uniform | 1, quadratic |
//! | [`interpolant_denoiser`] | any with noise | noise | uniform | 1, quadratic |
//! | [`bridge_matching`] | Brownian bridges | the drift, as velocity | uniform | the time that remains |
//! | [`score_matching`] | affine | score | uniform | `σ²` |
//! | [`ncsn`] | exploding variance | score | levels | `σ²` |
//! | [`score_flow`] | affine | score | uniform in log-SNR | `g²/p` |
//! | [`ddpm`] | DDPM's steps | noise | steps | 1 |
//! | [`edm`] | EDM's levels | data | log-normal σ | EDM's |
//!
//! The others are not regressions, or need more than a field:
//!
//! | objective | trains | loss |
//! | --- | --- | --- |
//! | [`Coupled`] | another objective | on pairs that a coupling makes |
//! | [`Uncertain`] | a regression, and its uncertainty `u(t)` | `e^(−u) ℓ + u`, as EDM2 |
//! | [`VariationalBound`] | a noise, and variances | DDPM's bound of the likelihood, in nats |
//! | [`HybridLoss`] | a noise with variances | `L_simple + λ L_vlb` of improved DDPM |
//! | [`ScoreAndFlow`] | a velocity and a score | both regressions: \[SF\]²M |
//! | [`ImplicitScoreMatching`], [`SlicedScoreMatching`] | a score with derivatives | `½ |s|² + ∇·s` |
//! | [`MaximumLikelihood`] | a velocity with derivatives | `−log p₁`, with regularisers |
//! | [`VariationalDequantization`] | a density, and noise within bins | a bound of `−log P` of levels, in nats |

mod bridge_matching;
mod coupled;
mod ddpm;
mod edm;
mod flow_matching;
mod hybrid_loss;
mod implicit_score_matching;
mod maximum_likelihood;
mod rectified_flow;
mod regression;
mod score_and_flow;
mod score_matching;
mod stable_diffusion_3;
mod stochastic_interpolant;
mod uncertain;
mod variational_bound;
mod variational_dequantization;

use advect_core::{Error, Field, Generator, Result, check, forward_to};
use candle_core::Tensor;

pub use bridge_matching::bridge_matching;
pub use coupled::Coupled;
pub use ddpm::ddpm;
pub use edm::edm;
pub use flow_matching::flow_matching;
pub use hybrid_loss::HybridLoss;
pub use implicit_score_matching::{ImplicitScoreMatching, SlicedScoreMatching};
pub use maximum_likelihood::MaximumLikelihood;
pub use rectified_flow::{one_step_distillation, rectified_flow, reflow};
pub use regression::Regression;
pub use score_and_flow::{ScoreAndFlow, ScoreAndFlowLosses};
pub use score_matching::{ncsn, score_flow, score_matching};
pub use stable_diffusion_3::stable_diffusion_3;
pub use stochastic_interpolant::{interpolant_denoiser, interpolant_velocity};
pub use uncertain::Uncertain;
pub use variational_bound::{BoundTerms, ReverseVariance, VariationalBound};
pub use variational_dequantization::{Dequantized, VariationalDequantization};

/// A training objective on pairs of source and target samples.
///
/// Your own objective is one impl; [`Objective::loss`] and [`Objective::loss_from_noise`] come with it:
///
/// ```
/// use advect_core::{Field, Generator, Result, Time, shape, field_fn};
/// use advect_objectives::objective::Objective;
/// use candle_core::{DType, Device, Tensor};
///
/// /// The displacement from the start, learned at t = 0 only: a one-step map.
/// struct OneStep;
///
/// impl Objective for OneStep {
///     fn losses(&self, field: &dyn Field, x0: &Tensor, x1: &Tensor, _: &mut Generator) -> Result<Tensor> {
///         let predicted = field.at(&Time::Shared(0.0), x0)?;
///         shape::mean_per_sample(&(predicted - (x1 - x0)?)?.abs()?)
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let x = Tensor::ones((3, 2), DType::F32, &Device::Cpu)?;
/// let still = field_fn(|_, x| Ok(x.zeros_like()?));
/// let loss = OneStep.loss(&still, &x, &(&x * 5.0)?, &mut Generator::from_seed(0))?;
/// assert_eq!(loss.to_scalar::<f32>()?, 4.0);
///
/// // Noise as the source.
/// let loss = OneStep.loss_from_noise(&still, &x, &mut Generator::from_seed(0))?;
/// let mut rng = Generator::from_seed(0);
/// let expected = OneStep.loss(&still, &rng.normal_like(&x)?, &x, &mut rng)?;
/// assert_eq!(loss.to_scalar::<f32>()?, expected.to_scalar::<f32>()?);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "loss")]
#[doc(alias = "criterion")]
pub trait Objective {
    /// Returns one loss per sample, `(batch,)`, f64 for states of f64 and f32 for others, differentiable with respect
    /// to the field's parameters.
    ///
    /// `x0` (source) and `x1` (target) are batches `(batch, ...)`, already coupled; conditions are
    /// bound to the field beforehand.
    ///
    /// # Errors
    /// Typed errors for batches that do not fit each other or hold NaN; the errors of the field.
    fn losses(
        &self,
        field: &dyn Field,
        x0: &Tensor,
        x1: &Tensor,
        rng: &mut Generator,
    ) -> Result<Tensor>;

    /// Returns the mean of [`Objective::losses`]: a scalar on which to call `backward`.
    ///
    /// # Errors
    /// As [`Objective::losses`].
    fn loss(
        &self,
        field: &dyn Field,
        x0: &Tensor,
        x1: &Tensor,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        Ok(self.losses(field, x0, x1, rng)?.mean_all()?)
    }

    /// Returns the [`loss`](Objective::loss) of data with standard normal noise as the source, which is drawn first from `rng`.
    ///
    /// # Errors
    /// As [`Objective::losses`].
    fn loss_from_noise(
        &self,
        field: &dyn Field,
        x: &Tensor,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        let noise = rng.normal_like(x)?;
        self.loss(field, &noise, x, rng)
    }
}

/// Checks a batch of pairs. Returns its size.
pub(crate) fn check_pairs(x0: &Tensor, x1: &Tensor) -> Result<usize> {
    let batch = check::batch("x0", x0)?;
    check::float("x0", x0)?;
    check::alike("x1", x1, "x0", x0)?;
    check::finite("x0", x0)?;
    check::finite("x1", x1)?;
    Ok(batch)
}

/// Checks the times that a sampler drew.
pub(crate) fn check_times(times: &[f64], batch: usize) -> Result<()> {
    if times.len() != batch {
        let accepted = format!("({batch},), one time per sample");
        return Err(Error::shape("times", &[times.len()], accepted));
    }
    Ok(())
}

forward_to!([] Objective {
    fn losses(&self, field: &dyn Field, x0: &Tensor, x1: &Tensor, rng: &mut Generator) -> Result<Tensor>;
    fn loss(&self, field: &dyn Field, x0: &Tensor, x1: &Tensor, rng: &mut Generator) -> Result<Tensor>;
    fn loss_from_noise(&self, field: &dyn Field, x: &Tensor, rng: &mut Generator) -> Result<Tensor>;
});
