//! DDPM's variational bound (Ho, Jain and Abbeel 2020, eq. 5, 8 and 12–13).

use advect_core::{Coefficient, Field, Generator, Result, Time, check, shape};
use advect_ops::{combine, squared_errors};
use advect_paths::schedule::DiscreteDiffusion;
use candle_core::{Device, Tensor};
use rand_distr::StandardUniform;

use super::{Objective, check_pairs};
use crate::decoder::{Decoder, GaussianDecoder};

/// The variance of a reverse step `p(x_(k−1) | x_k)`: one of the two extremes in Ho et al. 2020, section 3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum ReverseVariance {
    /// `β_k`, the best for data of unit variance. (Implementations of DDPM often take `β̃_2` for the last step here, too.)
    #[default]
    Beta,
    /// `β̃_k`, the variance of `q(x_(k−1) | x_k, x_0)`, the best for data that is one point. At the last step, where
    /// it is 0, `β̃_2` is used.
    Posterior,
}

/// The variational bound `L = L_T + Σ_(k=2..T) L_(k−1) + L_0` of the negative log-likelihood of data, in nats per
/// sample, for a field that predicts the noise at times `1 − k/T`:
///
/// | term | |
/// | --- | --- |
/// | `L_T` | `KL(q(x_T \| x1) ‖ N(0, I))`, the prior's: no parameters |
/// | `L_(k−1)` | `KL(q(x_(k−1) \| x_k, x1) ‖ p(x_(k−1) \| x_k))`, of which `β_k² \|ε − ε_θ\|² / (2 σ_k² α_k (1 − ᾱ_k))` depends on the field |
/// | `L_0` | `−log p(x1 \| x_1)`, of a [`Decoder`] |
///
/// As an [`Objective`] it takes one step at random for each sample, times T: an unbiased estimate.
/// [`VariationalBound::terms`] has them all.
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
            let state = self.states(&vec![k; batch], &z, x1)?;
            let predicted = noise.at(&Time::Shared(self.schedule.time(k)), &state)?;
            check::alike("field", &predicted, "x1", x1)?;
            steps.push(match k {
                1 => self.decoder_term(&state, &predicted, x1)?,
                k => self.step_terms(&vec![k; batch], &predicted, &z)?,
            });
        }
        let decoder = steps.remove(0);
        Ok(BoundTerms {
            prior: self.prior(x1)?,
            steps,
            decoder,
        })
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

    /// σ_k².
    fn variance_at(&self, k: usize) -> f64 {
        match self.variance {
            ReverseVariance::Beta => self.schedule.beta(k),
            ReverseVariance::Posterior if self.schedule.steps() == 1 => self.schedule.beta(1),
            ReverseVariance::Posterior => self.schedule.posterior_variance(k.max(2)),
        }
    }

    /// The divergence of steps k ≥ 2, for each sample.
    fn step_terms(&self, steps: &[usize], predicted: &Tensor, z: &Tensor) -> Result<Tensor> {
        let batch = check::batch("x1", z)?;
        let dim = (z.elem_count() / batch) as f64;
        let squares = squared_errors(predicted, z)?;
        let (mut factors, mut constants) = (Vec::new(), Vec::new());
        for &k in steps {
            let (beta, ours) = (self.schedule.beta(k), self.variance_at(k));
            let spread = ours * (1.0 - beta) * self.schedule.noise_variance(k);
            factors.push(0.5 * beta * beta / spread);
            // KL of two variances: ½ (r − 1 − ln r), r = β̃/σ².
            let ratio = self.schedule.posterior_variance(k) / ours;
            constants.push(0.5 * dim * (ratio - 1.0 - ratio.ln()));
        }
        let constants = Tensor::from_vec(constants, batch, &Device::Cpu)?
            .to_dtype(squares.dtype())?
            .to_device(squares.device())?;
        Ok((Coefficient::PerSample(factors).times(&squares)? + constants)?)
    }

    /// `−log p(x1 | x_1)`, around the mean `(x − β_1/√(1 − ᾱ_1) ε_θ)/√(1 − β_1)`.
    fn decoder_term(&self, state: &Tensor, predicted: &Tensor, x1: &Tensor) -> Result<Tensor> {
        let beta = self.schedule.beta(1);
        let scale = 1.0 / (1.0 - beta).sqrt();
        // 1 − ᾱ_1 = β_1.
        let mean = combine(&[
            (scale.into(), state),
            ((-scale * beta.sqrt()).into(), predicted),
        ])?;
        let log = self
            .decoder
            .log_likelihood(x1, &mean, self.variance_at(1))?;
        Ok(log.neg()?)
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
        let count = self.schedule.steps();
        let step = |u: f64| 1 + ((u * count as f64) as usize).min(count - 1);
        let uniform = rng.values(&StandardUniform, batch)?;
        let steps: Vec<usize> = uniform.into_iter().map(step).collect();
        let times: Vec<f64> = steps.iter().map(|&k| self.schedule.time(k)).collect();
        let state = self.states(&steps, x0, x1)?;
        let predicted = field.at(&Time::per_sample(&times)?, &state)?;
        check::alike("field", &predicted, "x0", x0)?;
        // Both kinds of terms for the whole batch; the first step has the decoder's.
        let others: Vec<usize> = steps.iter().map(|&k| k.max(2).min(count.max(2))).collect();
        let terms = match (count, steps.contains(&1)) {
            (1, _) => self.decoder_term(&state, &predicted, x1)?,
            (_, false) => self.step_terms(&others, &predicted, x0)?,
            (_, true) => {
                let first: Vec<u8> = steps.iter().map(|&k| u8::from(k == 1)).collect();
                let first = Tensor::from_vec(first, batch, x0.device())?;
                let decoder = self.decoder_term(&state, &predicted, x1)?;
                let step = self.step_terms(&others, &predicted, x0)?;
                first.where_cond(&decoder, &step.to_dtype(decoder.dtype())?)?
            }
        };
        Ok(((terms * count as f64)? + self.prior(x1)?)?)
    }
}
