//! DDPM's variational bound (Ho, Jain and Abbeel 2020, eq. 5, 8 and 12–13), with fixed variances or learned ones (Nichol and
//! Dhariwal 2021, section 3.1).

mod reverse_variance;

use advect_core::{Coefficient, Error, Field, Generator, Result, Time, check, shape};
use advect_ops::combine;
use advect_paths::LearnedVariances;
use advect_paths::schedule::DiscreteDiffusion;
use candle_core::Tensor;

use super::{Objective, check_pairs, check_times};
use crate::decoder::{Decoder, GaussianDecoder};
use crate::time_sampler::{Levels, TimeSampler};
pub use reverse_variance::ReverseVariance;
use reverse_variance::StepVariances;

/// The variational bound `L = L_T + Σ_(k=2..T) L_(k−1) + L_0` of the negative log-likelihood of data, in nats per
/// sample, for a field that predicts the noise at times `1 − k/T`:
///
/// | term | |
/// | --- | --- |
/// | `L_T` | `KL(q(x_T \| x1) ‖ N(0, I))`, the prior's: no parameters |
/// | `L_(k−1)` | `KL(q(x_(k−1) \| x_k, x1) ‖ p(x_(k−1) \| x_k))`, of which `β_k² \|ε − ε_θ\|² / (2 σ_k² α_k (1 − ᾱ_k))` depends on the field |
/// | `L_0` | `−log p(x1 \| x_1)`, of a [`Decoder`] |
///
/// As an [`Objective`] it takes one step at random for each sample, times T: an unbiased estimate. Its variance is large,
/// as the terms of steps near the data are far larger than others:
/// [`LossSecondMoment`](crate::time_sampler::LossSecondMoment) draws those more often, and
/// [`HybridLoss`](super::HybridLoss) leaves the bound to the variances. [`VariationalBound::terms`] has all terms.
///
/// ```
/// use advect_core::{Generator, Time};
/// use advect_objectives::objective::VariationalBound;
/// use advect_paths::Prediction;
/// use advect_paths::closed_form::{Covariance, Gaussian, Law};
/// use advect_paths::schedule::DiscreteDiffusion;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // With the exact noise of N(0, 1) data, the bound comes near its entropy, 1.419 nats.
/// let schedule = DiscreteDiffusion::linear(100, 1e-3, 0.2)?;
/// let law = Gaussian::new(&Tensor::zeros(1, DType::F64, &Device::Cpu)?, Covariance::isotropic(1.0)?)?;
/// let mut rng = Generator::from_seed(0);
/// let x1 = law.sample(2000, DType::F64, &Device::Cpu, &mut rng)?;
/// let bound = VariationalBound::new(schedule.clone());
/// let terms = bound.terms(&law.field(Prediction::Noise, &schedule), &x1, &mut rng)?;
/// assert!((terms.total()?.mean_all()?.to_scalar::<f64>()? - 1.419).abs() < 0.05);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "VLB")]
#[doc(alias = "ELBO")]
#[derive(Debug, Clone, PartialEq)]
pub struct VariationalBound<D = GaussianDecoder> {
    schedule: DiscreteDiffusion,
    variance: ReverseVariance,
    decoder: D,
}

/// The terms of the bound, each `(batch,)`, in nats.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BoundTerms {
    /// The term `L_T` of the prior.
    pub prior: Tensor,
    /// The terms `L_1 … L_(T−1)`, of the steps k = 2 … T.
    pub steps: Vec<Tensor>,
    /// The term `L_0` of the decoder.
    pub decoder: Tensor,
}

impl BoundTerms {
    /// Returns the sum of all terms, `(batch,)`.
    ///
    /// # Errors
    /// The errors of candle.
    pub fn total(&self) -> Result<Tensor> {
        let mut total = (&self.prior + &self.decoder)?;
        for step in &self.steps {
            total = (total + step)?;
        }
        Ok(total)
    }
}

impl VariationalBound {
    /// Creates the bound of a schedule, with variances β_k and data of any value.
    pub fn new(schedule: DiscreteDiffusion) -> Self {
        VariationalBound {
            schedule,
            variance: ReverseVariance::default(),
            decoder: GaussianDecoder,
        }
    }
}

impl<D: Decoder> VariationalBound<D> {
    /// Returns the schedule.
    pub fn schedule(&self) -> &DiscreteDiffusion {
        &self.schedule
    }

    /// Sets the variances of the reverse steps.
    pub fn variance(self, variance: ReverseVariance) -> Self {
        VariationalBound { variance, ..self }
    }

    /// Sets the decoder.
    pub fn decoder<E: Decoder>(self, decoder: E) -> VariationalBound<E> {
        VariationalBound {
            schedule: self.schedule,
            variance: self.variance,
            decoder,
        }
    }

    /// Returns all terms for data `x1`, with fresh noise at each step, by T evaluations of the field.
    ///
    /// # Errors
    /// Typed errors for data that is empty or not finite; the errors of the field and of the decoder.
    pub fn terms(&self, noise: &dyn Field, x1: &Tensor, rng: &mut Generator) -> Result<BoundTerms> {
        let batch = check::batch("x1", x1)?;
        check::float("x1", x1)?;
        check::finite("x1", x1)?;
        let mut steps = Vec::with_capacity(self.schedule.steps());
        for k in 1..=self.schedule.steps() {
            let z = rng.normal_like(x1)?;
            let t = Time::Shared(self.schedule.time(k));
            let denoised = self.denoise(noise, vec![k; batch], &t, &z, x1)?;
            steps.push(match k {
                1 => self.decoder_term(&denoised, x1)?,
                _ => self.step_terms(&denoised)?,
            });
        }
        let decoder = steps.remove(0);
        Ok(BoundTerms {
            prior: self.prior(x1)?,
            steps,
            decoder,
        })
    }

    /// Returns the estimates of the bound from given times, one step of the schedule for each sample, in place of drawn
    /// ones.
    ///
    /// # Errors
    /// As [`Objective::losses`]; [`Error::Shape`] unless there is a time for each sample, [`Error::Range`] unless it is
    /// `1 − k/T` for a step k from 1 to T.
    pub fn losses_at(
        &self,
        field: &dyn Field,
        x0: &Tensor,
        x1: &Tensor,
        times: &[f64],
    ) -> Result<Tensor> {
        let denoised = self.denoise_at(field, x0, x1, times)?;
        self.estimates(&denoised, x1)
    }

    /// Evaluates the field at the steps of given times.
    pub(super) fn denoise_at(
        &self,
        field: &dyn Field,
        x0: &Tensor,
        x1: &Tensor,
        times: &[f64],
    ) -> Result<Denoised> {
        check_times(times, check_pairs(x0, x1)?)?;
        let steps: Vec<usize> = (times.iter())
            .map(|&t| self.step(t))
            .collect::<Result<_>>()?;
        self.denoise(field, steps, &Time::per_sample(times)?, x0, x1)
    }

    /// The step of a time.
    fn step(&self, t: f64) -> Result<usize> {
        let count = self.schedule.steps();
        let k = ((1.0 - t) * count as f64).round();
        match k >= 1.0 && k <= count as f64 && (self.schedule.time(k as usize) - t).abs() < 1e-9 {
            true => Ok(k as usize),
            false => {
                let accepted = format!("the time of a step, 1 − k/{count} for k from 1");
                Err(Error::range("times", t, accepted))
            }
        }
    }

    /// Evaluates the field at one step for each sample, whose times are t.
    fn denoise(
        &self,
        field: &dyn Field,
        steps: Vec<usize>,
        t: &Time,
        noise: &Tensor,
        x1: &Tensor,
    ) -> Result<Denoised> {
        let last = self.schedule.steps();
        if self.schedule.alpha_bar(last) == 0.0 {
            let given =
                "one without signal at its last step, where the noise tells nothing of the data";
            return Err(Error::range(
                "schedule",
                given,
                "a schedule that keeps some signal",
            ));
        }
        let state = self.states(&steps, noise, x1)?;
        let value = field.at(t, &state)?;
        if self.variance != ReverseVariance::Learned {
            check::alike("field", &value, "x1", x1)?;
            return Ok(Denoised {
                steps,
                state,
                noise: noise.clone(),
                predicted: value,
                variances: None,
            });
        }
        check::same_kind("field", &value, "x1", x1)?;
        // Logarithms of variances need more than 16 bits.
        let (predicted, variances) = LearnedVariances::split(&shape::wide(&value)?, x1)?;
        Ok(Denoised {
            steps,
            state: shape::wide(&state)?,
            noise: shape::wide(noise)?,
            predicted,
            variances: Some(variances),
        })
    }

    /// An estimate of the bound for each sample, from its step: T times the term, and the prior's.
    pub(super) fn estimates(&self, denoised: &Denoised, x1: &Tensor) -> Result<Tensor> {
        let count = self.schedule.steps();
        // Both kinds of terms for the whole batch; the first step has the decoder's.
        let terms = match (count, denoised.steps.contains(&1)) {
            (1, _) => self.decoder_term(denoised, x1)?,
            (_, false) => self.step_terms(denoised)?,
            (_, true) => {
                let first: Vec<u8> = denoised.steps.iter().map(|&k| u8::from(k == 1)).collect();
                let first = Tensor::from_vec(first, denoised.steps.len(), x1.device())?;
                let decoder = self.decoder_term(denoised, x1)?;
                let step = self.step_terms(denoised)?;
                first.where_cond(&decoder, &step.to_dtype(decoder.dtype())?)?
            }
        };
        Ok(((terms * count as f64)? + self.prior(x1)?)?)
    }

    /// `½ Σ (ᾱ x1² + (1 − ᾱ) − 1 − ln(1 − ᾱ))` at step T.
    fn prior(&self, x1: &Tensor) -> Result<Tensor> {
        let last = self.schedule.steps();
        let (alpha_bar, variance) = (
            self.schedule.alpha_bar(last),
            self.schedule.noise_variance(last),
        );
        let dim = (x1.elem_count() / check::batch("x1", x1)?) as f64;
        let squares = shape::sum_squares_per_sample(x1)?;
        let constant = -0.5 * dim * (alpha_bar + variance.ln());
        Ok(squares.affine(0.5 * alpha_bar, constant)?)
    }

    /// `√ᾱ_k x1 + √(1 − ᾱ_k) z`, a step for each sample.
    fn states(&self, steps: &[usize], z: &Tensor, x1: &Tensor) -> Result<Tensor> {
        let of = |f: &dyn Fn(usize) -> f64| {
            Coefficient::PerSample(steps.iter().map(|&k| f(k).sqrt()).collect())
        };
        let data = of(&|k| self.schedule.alpha_bar(k));
        let noise = of(&|k| self.schedule.noise_variance(k));
        combine(&[(data, x1), (noise, z)])
    }

    /// The variances at steps k, which may be other ones than those of the evaluation.
    fn variances(&self, steps: &[usize], denoised: &Denoised) -> Result<StepVariances> {
        let learned = denoised.variances.as_ref();
        StepVariances::at(steps, self.variance, learned, &self.schedule)
    }

    /// The divergence of steps k ≥ 2, for each sample. Others are taken for the second.
    fn step_terms(&self, denoised: &Denoised) -> Result<Tensor> {
        let steps: Vec<usize> = denoised.steps.iter().map(|&k| k.max(2)).collect();
        let variances = self.variances(&steps, denoised)?;
        let (predicted, noise) = (&denoised.predicted, &denoised.noise);
        variances.divergence(&steps, predicted, noise, &self.schedule)
    }

    /// `−log p(x1 | x_1)`, around the mean `(x − β_1/√(1 − ᾱ_1) ε_θ)/√(1 − β_1)`. All samples are taken to be at the
    /// first step.
    fn decoder_term(&self, denoised: &Denoised, x1: &Tensor) -> Result<Tensor> {
        let beta = self.schedule.beta(1);
        let scale = 1.0 / (1.0 - beta).sqrt();
        // 1 − ᾱ_1 = β_1.
        let mean = combine(&[
            (scale.into(), &denoised.state),
            ((-scale * beta.sqrt()).into(), &denoised.predicted),
        ])?;
        let x1 = &x1.to_dtype(mean.dtype())?;
        let variances = self.variances(&vec![1; denoised.steps.len()], denoised)?;
        let logs = variances.first_logarithms(&shape::wide(&mean)?, &self.schedule)?;
        Ok(self.decoder.log_likelihood_given(x1, &mean, &logs)?.neg()?)
    }
}

/// An evaluation of the field at one step for each sample.
pub(super) struct Denoised {
    steps: Vec<usize>,
    state: Tensor,
    /// The noise in the state.
    pub(super) noise: Tensor,
    /// The noise as the field predicts it.
    pub(super) predicted: Tensor,
    variances: Option<LearnedVariances>,
}

impl Denoised {
    /// Cuts the prediction out of the graph: only the variances learn.
    pub(super) fn with_mean_stopped(self) -> Self {
        Denoised {
            predicted: self.predicted.detach(),
            ..self
        }
    }
}

impl<D: Decoder> Objective for VariationalBound<D> {
    /// Returns an estimate of the bound from one step for each sample. `x0` is standard normal noise.
    fn losses(
        &self,
        field: &dyn Field,
        x0: &Tensor,
        x1: &Tensor,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        let batch = check_pairs(x0, x1)?;
        let times = Levels::of_steps(&self.schedule).sample(batch, rng)?;
        self.losses_at(field, x0, x1, &times)
    }
}
