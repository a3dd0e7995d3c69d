//! The bound of the likelihood by denoising errors (Song, Durkan, Murray and Ermon, Maximum likelihood training of
//! score-based diffusion models, 2021b, theorem 3; Kingma, Salimans, Poole and Ho, Variational diffusion models, 2021,
//! section 4).

use advect_core::normal::log_normalizer;
use advect_core::{Error, Field, Generator, Key, Result, Time, check, shape};
use advect_ops::{combine, squared_errors, without_graph};
use advect_paths::Prediction;
use advect_paths::schedule::Schedule;
use candle_core::{DType, Device, Tensor};
use rand_distr::Open01;

use super::ends::{Ends, check_without_variances};
use super::numbers;
use crate::Model;
use crate::start::check_state;

/// The number of strata for each pair of draws at the end.
const STRATA_FOR_EACH_END: usize = 4;

/// A lower bound of the log-density of data under the reverse diffusion of a model, from its denoising errors. It needs
/// no solver and no derivatives.
///
/// With the log-SNR `λ = ln(α²/σ²)`, of which `dλ = g²/σ² dt`, and ε_θ the model's prediction of the noise ε in `x_t = α
/// x + σ ε`, `−log p(x)` is at most the sum of
///
/// | term | |
/// | --- | --- |
/// | prior | `KL(N(α x, σ² I) ‖ N(0, σ_0² I))` at the start, where σ_0 is the source's deviation |
/// | diffusion | `½ ∫ E\|ε_θ(t, x_t) − ε\|² dλ = ½ ∫ g² E\|s_θ(t, x_t) − ∇ log p(x_t \| x)\|² dt`, from the start to the end |
/// | decoder | `−E log N(x; D, (σ/α)² I)` around the expected data `D = (x_t − σ ε_θ)/α` at the end |
///
/// In the first paper this is `L_DSM`, its constants and its end at a small noise written out: half of the integral of
/// `g² |∇ log p(x_t | x)|²`, the divergence of the drift and the entropy of the last noise are in the decoder's term.
/// With the exact score, the exact law of the start and little noise at the end, the bound is the log-density itself; on
/// average over data, an error of the score raises it by `½ ∫ g² E|s_θ − s|² dt`.
///
/// Times are drawn where the information `ln(1 + α²/σ²)` is uniform, for which the terms of data N(0, I) have the same
/// mean at all of them: they neither blow up near the data, nor are spent on pure noise. The spread of `|ε|²`, which is
/// most of the errors near the data, is taken off them as a control variate. The range of times is cut into
/// [strata](LikelihoodBound::strata) with two draws each, which give the standard error. A sample's draws depend on its
/// number.
///
/// The bound is one of the reverse diffusion's likelihood, while [`Likelihood`](super::Likelihood) has that of the
/// probability flow. The two laws are the same only for the exact score.
///
/// ```
/// use advect_core::{Generator, Key};
/// use advect_paths::closed_form::{Covariance, Gaussian, Law};
/// use advect_paths::{Prediction, schedule::CondOt};
/// use advect_samplers::Model;
/// use advect_samplers::likelihood::LikelihoodBound;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let law = Gaussian::new(&Tensor::new(&[2f64], &Device::Cpu)?, Covariance::isotropic(0.25)?)?;
/// let model = Model::new(law.velocity(CondOt::default()), Prediction::Velocity, CondOt::default());
/// let bound = LikelihoodBound::new(model, Key::from_seed(0)).within(0.0, 0.999)?;
///
/// let found = bound.log_density(&Tensor::new(&[[2f64], [2.5]], &Device::Cpu)?)?;
/// let peak = -0.5 * (0.5 * std::f64::consts::PI).ln(); // −½ ln(2π 0.25)
/// let (nats, errors) = (found.nats.to_vec1::<f64>()?, found.standard_error.to_vec1::<f64>()?);
/// for (k, exact) in [peak, peak - 0.5].into_iter().enumerate() {
///     assert!((nats[k] - exact).abs() < 4.0 * errors[k] && errors[k] < 0.5);
/// }
/// # Ok(())
/// # }
/// ```
#[doc(alias = "ELBO")]
#[doc(alias = "ScoreFlow")]
#[doc(alias = "VDM")]
#[doc(alias = "VLB")]
#[derive(Debug, Clone, Copy)]
pub struct LikelihoodBound<F, S> {
    model: Model<F, S>,
    ends: Ends,
    strata: usize,
    key: Key,
    first_sample: u64,
}

/// Lower bounds of log-densities with their standard errors, and their terms. All tensors are `(batch,)`, in f64 and in
/// nats.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LogLikelihoodBound {
    /// The lower bound of each sample's log-density: minus the sum of the three terms.
    pub nats: Tensor,
    /// The standard error of each bound, from the draws of times and noise.
    pub standard_error: Tensor,
    /// The term of the prior.
    pub prior: Tensor,
    /// The term of the diffusion.
    pub diffusion: Tensor,
    /// The term of the decoder.
    pub decoder: Tensor,
    /// The number of elements of a sample.
    pub dimensions: usize,
    /// The number of evaluations of the field.
    pub evaluations: usize,
}

impl<F: Field, S: Schedule> LikelihoodBound<F, S> {
    /// Creates the bound of a model, from time 0 to 1, with draws by a key in 32 strata.
    pub fn new(model: Model<F, S>, key: Key) -> Self {
        LikelihoodBound {
            model,
            ends: Ends::default(),
            strata: 32,
            key,
            first_sample: 0,
        }
    }

    /// Sets the times of the start and the end, which has to have some noise left. Less noise brings the bound nearer to
    /// the log-density; score SDEs end at 1 − 1e-5.
    ///
    /// # Errors
    /// [`Error::Range`] unless `0 ≤ start < end ≤ 1`.
    pub fn within(self, start: f64, end: f64) -> Result<Self> {
        let ends = self.ends.within(start, end)?;
        Ok(LikelihoodBound { ends, ..self })
    }

    /// Sets the standard deviation of the source, which is σ at the start by default.
    ///
    /// # Errors
    /// [`Error::Range`] unless it is above 0.
    pub fn source_deviation(self, deviation: f64) -> Result<Self> {
        let ends = self.ends.source_deviation(deviation)?;
        Ok(LikelihoodBound { ends, ..self })
    }

    /// Sets the number of strata. Each costs two evaluations of the field, and each four of them two more, for the end.
    /// Standard errors fall at least as fast as the inverse square root of the number.
    ///
    /// # Errors
    /// [`Error::Range`] for 0.
    pub fn strata(self, count: usize) -> Result<Self> {
        let strata = check::at_least_one("count", count)?;
        Ok(LikelihoodBound { strata, ..self })
    }

    /// Numbers the samples from `first` on. The times and the noise of a sample depend on its number, not on the other
    /// samples of the batch.
    pub fn first_sample(self, first: u64) -> Self {
        LikelihoodBound {
            first_sample: first,
            ..self
        }
    }

    /// Returns a lower bound of the log-density of data `(batch, ...)`.
    ///
    /// # Errors
    /// Typed errors for data that is empty, no float or not finite; [`Error::Range`] if no noise is left at the end; the
    /// errors of the field, and [`Error::NonFinite`] for its NaN.
    pub fn log_density(&self, x1: &Tensor) -> Result<LogLikelihoodBound> {
        check_state("x1", x1)?;
        check_without_variances(&self.model)?;
        let x = &x1.detach();
        let samples = x.dims()[0];
        let (low, high) = self.information()?;
        let mut rng = Generator::from(self.key);
        let place = |k: usize| low + (high - low) * k as f64 / self.strata as f64;
        let diffusion = Mean::of_pairs(self.strata, samples, |k| {
            self.diffusion_draw(x, (place(k), place(k + 1)), &mut rng)
        })?;
        let ends = self.strata.div_ceil(STRATA_FOR_EACH_END);
        let decoder = Mean::of_pairs(ends, samples, |_| self.decoder_draw(x, high, &mut rng))?;
        let variances = diffusion.variances.iter().zip(decoder.variances);
        let errors = variances.map(|(a, b)| (a + b).sqrt());

        let tensor = |values: Vec<f64>| -> Result<Tensor> {
            Ok(Tensor::from_vec(values, samples, &Device::Cpu)?.to_device(x.device())?)
        };
        let standard_error = tensor(errors.collect())?;
        let prior = self.prior(x)?;
        let (diffusion, decoder) = (tensor(diffusion.means)?, tensor(decoder.means)?);
        Ok(LogLikelihoodBound {
            nats: ((&prior + &diffusion)? + &decoder)?.neg()?,
            standard_error,
            prior,
            diffusion,
            decoder,
            dimensions: x.elem_count() / samples,
            evaluations: 2 * (self.strata + ends),
        })
    }

    /// The information `ln(1 + α²/σ²)` at the start and the end.
    fn information(&self) -> Result<(f64, f64)> {
        let at = |t: f64| {
            let log_snr = self.model.schedule().log_snr(t);
            log_snr.max(0.0) + (-log_snr.abs()).exp().ln_1p()
        };
        let (start, end) = (self.ends.start, self.ends.end);
        match (at(start), at(end)) {
            (low, high) if low < high && high < f64::INFINITY => Ok((low, high)),
            (low, high) => {
                let given = format!("ln(1 + SNR) from {low} at t = {start} to {high} at t = {end}");
                let accepted = "a signal that grows, and an end at which noise is left (LikelihoodBound::within)";
                Err(Error::range("times", given, accepted))
            }
        }
    }

    /// `KL(N(α x, σ² I) ‖ N(0, σ_0² I)) = ½ Σ ((α x)² + σ²)/σ_0² − 1 − ln(σ²/σ_0²)`.
    fn prior(&self, x: &Tensor) -> Result<Tensor> {
        let schedule = self.model.schedule();
        let (alpha, sigma) = (
            schedule.alpha(self.ends.start),
            schedule.sigma(self.ends.start),
        );
        let source = self.ends.source(schedule)?;
        let dimensions = (x.elem_count() / x.dims()[0]) as f64;
        let ratio = (sigma / source).powi(2);
        let constant = 0.5 * dimensions * (ratio - 1.0 - ratio.ln());
        let squares = shape::sum_squares_per_sample(&x.to_dtype(DType::F64)?)?;
        Ok(squares.affine(0.5 * (alpha / source).powi(2), constant)?)
    }

    /// One draw of the diffusion's term for each sample, `½ ∫ |ε_θ − ε|² dλ`, in a stratum of the information y, with
    /// `dλ = dy/(1 − e^(−y))`.
    fn diffusion_draw(
        &self,
        x: &Tensor,
        (low, high): (f64, f64),
        rng: &mut Generator,
    ) -> Result<Vec<f64>> {
        let schedule = self.model.schedule();
        let places = rng.values_by_sample(&Open01, self.first_sample, x.dims()[0], 1)?;
        let information = places.into_iter().map(|u| low + (high - low) * u);
        let information: Vec<f64> = information.collect();
        // λ = ln(e^y − 1).
        let time = |y: &f64| schedule.time_at_log_snr(y + (-(-y).exp()).ln_1p());
        let (start, end) = (self.ends.start, self.ends.end);
        let times = information.iter().map(|y| time(y).clamp(start, end));
        let times = Time::per_sample(&times.collect::<Vec<_>>())?;
        let errors = self.noise_errors(&times, &information, x, rng)?;
        let width = (high - low) * self.strata as f64;
        let weigh = |(error, y): (f64, f64)| 0.5 * error * width / -(-y).exp_m1();
        Ok(errors.into_iter().zip(information).map(weigh).collect())
    }

    /// One draw of the decoder's term for each sample, `½ |ε_θ − ε|² + ½ d ln 2π(σ/α)²`, at the end.
    fn decoder_draw(&self, x: &Tensor, information: f64, rng: &mut Generator) -> Result<Vec<f64>> {
        let (schedule, end) = (self.model.schedule(), self.ends.end);
        let samples = x.dims()[0];
        let variance = (schedule.sigma(end) / schedule.alpha(end)).powi(2);
        let constant = -log_normalizer(x.elem_count() / samples, variance);
        let errors = self.noise_errors(&Time::Shared(end), &vec![information; samples], x, rng)?;
        Ok(errors.into_iter().map(|e| 0.5 * e + constant).collect())
    }

    /// `|ε_θ(t, α x + σ ε) − ε|²` of each sample for fresh noise, less a control variate.
    ///
    /// Near the data the noise is hidden, and the error is mostly `|ε|²`, whose mean is the number of dimensions. The spread
    /// of `|ε|²` is taken off, as much of it as is best for data N(0, ¼ I): little where a network may know the noise.
    fn noise_errors(
        &self,
        t: &Time,
        information: &[f64],
        x: &Tensor,
        rng: &mut Generator,
    ) -> Result<Vec<f64>> {
        let schedule = self.model.schedule();
        let noise = rng.normal_by_sample(self.first_sample, x)?;
        let alpha = t.coefficient(|t| schedule.alpha(t))?;
        let sigma = t.coefficient(|t| schedule.sigma(t))?;
        let state = combine(&[(alpha, x), (sigma, &noise)])?;
        let prediction = self.model.prediction();
        let field = prediction.field(self.model.field(), Prediction::Noise, schedule);
        let predicted = without_graph(|| field.at(t, &state))?.detach();
        check::alike("field", &predicted, "x1", x)?;
        check::finite("field", &predicted)?;
        let mut errors = numbers("field", &squared_errors(&predicted, &noise)?)?;
        let squares = numbers("noise", &shape::sum_squares_per_sample(&noise)?)?;
        let dimensions = (x.elem_count() / x.dims()[0]) as f64;
        for ((error, square), y) in errors.iter_mut().zip(squares).zip(information) {
            // v α²/(v α² + σ²) for v = ¼.
            let hidden = -(-y).exp_m1() / (4.0 + 3.0 * (-y).exp_m1());
            *error -= hidden * hidden * (square - dimensions);
        }
        Ok(errors)
    }
}

/// Means of draws for each sample, and the variances of the means.
struct Mean {
    means: Vec<f64>,
    variances: Vec<f64>,
}

impl Mean {
    /// Takes two independent draws in each of `count` strata, of which the variance of their mean is `¼ (a − b)²`.
    fn of_pairs(
        count: usize,
        samples: usize,
        mut draw: impl FnMut(usize) -> Result<Vec<f64>>,
    ) -> Result<Self> {
        let (mut means, mut variances) = (vec![0.0; samples], vec![0.0; samples]);
        let part = 1.0 / count as f64;
        for stratum in 0..count {
            let (first, second) = (draw(stratum)?, draw(stratum)?);
            for (i, (a, b)) in first.into_iter().zip(second).enumerate() {
                means[i] += part * 0.5 * (a + b);
                variances[i] += part * part * 0.25 * (a - b).powi(2);
            }
        }
        Ok(Mean { means, variances })
    }
}
