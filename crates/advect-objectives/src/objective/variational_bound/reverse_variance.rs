//! The variances of reverse steps, fixed or learned, and their terms of the bound.

use advect_core::{Coefficient, Result, check, shape};
use advect_ops::squared_errors;
use advect_paths::LearnedVariances;
use advect_paths::schedule::DiscreteDiffusion;
use candle_core::{Device, Tensor};

/// The variance of a reverse step `p(x_(k−1) | x_k)`: one of the two extremes in Ho et al. 2020, section 3.2, or one that
/// is learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum ReverseVariance {
    /// `β_k`, the best for data of unit variance. (Implementations of DDPM often take `β̃_2` for the last step here, too.)
    #[default]
    Beta,
    /// `β̃_k`, the variance of `q(x_(k−1) | x_k, x_0)`, the best for data that is one point. At the last step, where
    /// it is 0, `β̃_2` is used.
    Posterior,
    /// A variance between the two for each element, by the [`LearnedVariances`] that the field gives beside its
    /// prediction. Its values have twice as many channels, along dimension 1, as the state (Nichol and Dhariwal 2021, eq.
    /// 15).
    #[doc(alias = "iDDPM")]
    Learned,
}

/// The variances of a batch of reverse steps, each sample at a step of its own.
pub(super) enum StepVariances {
    /// `σ_k²` of each sample.
    Fixed(Vec<f64>),
    /// `ln σ_k²/β̃_k` of each element.
    Learned(Tensor),
}

/// β̃_k, or β̃_2 in place of the first, which is 0.
fn posterior(schedule: &DiscreteDiffusion, k: usize) -> f64 {
    match schedule.steps() {
        1 => schedule.beta(1),
        _ => schedule.posterior_variance(k.max(2)),
    }
}

impl StepVariances {
    /// Returns the variances at steps k.
    pub(super) fn at(
        steps: &[usize],
        variance: ReverseVariance,
        learned: Option<&LearnedVariances>,
        schedule: &DiscreteDiffusion,
    ) -> Result<Self> {
        let all = |f: &dyn Fn(usize) -> f64| steps.iter().map(|&k| f(k)).collect();
        Ok(match (variance, learned) {
            (ReverseVariance::Learned, Some(learned)) => {
                let ratio = |k: usize| (schedule.beta(k) / posterior(schedule, k)).ln();
                let large = Coefficient::PerSample(all(&ratio));
                StepVariances::Learned(learned.log_between(&0.0.into(), &large)?)
            }
            (ReverseVariance::Beta | ReverseVariance::Learned, _) => {
                StepVariances::Fixed(all(&|k| schedule.beta(k)))
            }
            (ReverseVariance::Posterior, _) => {
                StepVariances::Fixed(all(&|k| posterior(schedule, k)))
            }
        })
    }

    /// Returns `KL(q(x_(k−1) | x_k, x1) ‖ p(x_(k−1) | x_k))` of steps k ≥ 2, for each sample:
    /// `½ Σ (r + e^(−r) − 1) + β² (ε_θ − ε)²/(σ² α (1 − ᾱ))` with `r = ln σ²/β̃`.
    pub(super) fn divergence(
        &self,
        steps: &[usize],
        predicted: &Tensor,
        noise: &Tensor,
        schedule: &DiscreteDiffusion,
    ) -> Result<Tensor> {
        let batch = check::batch("x1", noise)?;
        match self {
            StepVariances::Fixed(variances) => {
                let dim = (noise.elem_count() / batch) as f64;
                let squares = squared_errors(predicted, noise)?;
                let (mut factors, mut constants) = (Vec::new(), Vec::new());
                for (&k, &ours) in steps.iter().zip(variances) {
                    factors.push(0.5 * error_factor(schedule, k) / ours);
                    let ratio = schedule.posterior_variance(k) / ours;
                    constants.push(0.5 * dim * (ratio - 1.0 - ratio.ln()));
                }
                let constants = Tensor::from_vec(constants, batch, &Device::Cpu)?
                    .to_dtype(squares.dtype())?
                    .to_device(squares.device())?;
                Ok((Coefficient::PerSample(factors).times(&squares)? + constants)?)
            }
            StepVariances::Learned(r) => {
                let factor = |&k: &usize| error_factor(schedule, k) / posterior(schedule, k);
                let factors = Coefficient::PerSample(steps.iter().map(factor).collect());
                let errors = factors.times(&(predicted - noise)?.sqr()?)?;
                // e^(−r) − 1 = −2h/(1 + h) with h = tanh(r/2), which keeps its digits where r is small.
                let h = (r * 0.5)?.tanh()?;
                let shrunk = ((&h * -2.0)? / (h + 1.0)?)?;
                let each = ((r + shrunk)? + (errors * r.neg()?.exp()?)?)?;
                Ok((shape::sum_per_sample(&each)? * 0.5)?)
            }
        }
    }

    /// Returns `ln σ_1²`, which broadcasts over the state, where all samples are at the first step.
    pub(super) fn first_logarithms(
        &self,
        like: &Tensor,
        schedule: &DiscreteDiffusion,
    ) -> Result<Tensor> {
        match self {
            StepVariances::Fixed(variances) => {
                let logs: Vec<f64> = variances.iter().map(|v| v.ln()).collect();
                let logs = Tensor::from_vec(logs, variances.len(), &Device::Cpu)?;
                let logs = logs.to_dtype(like.dtype())?.to_device(like.device())?;
                shape::column(&logs, like.rank())
            }
            StepVariances::Learned(r) => Ok((r + posterior(schedule, 1).ln())?),
        }
    }
}

/// `β²/(α (1 − ᾱ))`: what the squared error of the noise is times, as that of the mean of a step.
fn error_factor(schedule: &DiscreteDiffusion, k: usize) -> f64 {
    let beta = schedule.beta(k);
    beta * beta / ((1.0 - beta) * schedule.noise_variance(k))
}
