//! The importance sampling of the likelihood weighting (Song et al. 2021b, "ScoreFlow", section 5.1; Kingma et al. 2021).

use advect_core::{Error, Generator, Result};
use advect_paths::schedule::Schedule;
use rand_distr::StandardUniform;

use super::{TimeDensity, TimeSampler};

/// Times at which the logarithm of the signal-to-noise ratio λ is uniform, of density `p ∝ dλ/dt = g²/σ²`.
///
/// With it, the loss of the score weighed by `g²` is one of the noise with equal weights: see
/// [`score_flow`](crate::objective::score_flow).
///
/// ```
/// use advect_core::Generator;
/// use advect_objectives::time_sampler::{TimeSampler, UniformOverLogSnr};
/// use advect_paths::schedule::{VarianceExploding, VariancePreserving};
/// # fn main() -> advect_core::Result<()> {
/// let rng = &mut Generator::from_seed(0);
/// // The ratio of exploding variances is exponential: times are uniform.
/// let times = UniformOverLogSnr::new(VarianceExploding::default(), 0.0, 1.0)?.sample(1000, rng)?;
/// assert!((times.iter().sum::<f64>() / 1000.0 - 0.5).abs() < 0.05);
/// // That of preserved variances is infinite at the data.
/// assert!(UniformOverLogSnr::new(VariancePreserving::default(), 0.0, 1.0).is_err());
/// # Ok(())
/// # }
/// ```
#[doc(alias = "ScoreFlow")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UniformOverLogSnr<S> {
    schedule: S,
    low: f64,
    width: f64,
}

impl<S: Schedule> UniformOverLogSnr<S> {
    /// Creates a law between the times `start` and `end` of a schedule.
    ///
    /// # Errors
    /// [`Error::Range`] unless `0 ≤ start < end ≤ 1` and the ratio is finite at both.
    pub fn new(schedule: S, start: f64, end: f64) -> Result<Self> {
        if !(0.0 <= start && start < end && end <= 1.0) {
            let given = format!("{start}..{end}");
            return Err(Error::range(
                "times",
                given,
                "a span with 0 ≤ start < end ≤ 1",
            ));
        }
        let (low, high) = (schedule.log_snr(start), schedule.log_snr(end));
        if !(low.is_finite() && high.is_finite() && low < high) {
            let given = format!("a span from t = {start} to {end}, of log-SNR {low} to {high}");
            let accepted = "a span whose ends have some signal and some noise";
            return Err(Error::range("times", given, accepted));
        }
        Ok(UniformOverLogSnr {
            schedule,
            low,
            width: high - low,
        })
    }
}

impl<S: Schedule> TimeSampler for UniformOverLogSnr<S> {
    fn sample(&self, batch: usize, rng: &mut Generator) -> Result<Vec<f64>> {
        let time = |u: f64| self.schedule.time_at_log_snr(self.low + self.width * u);
        let uniform = rng.values(&StandardUniform, batch)?;
        Ok(uniform.into_iter().map(time).collect())
    }
}

impl<S: Schedule> TimeDensity for UniformOverLogSnr<S> {
    fn density(&self, t: f64) -> f64 {
        let log_snr = self.schedule.log_snr(t);
        // A rounding beyond the ends is still within.
        let slack = 1e-9 * self.width;
        if !(self.low - slack..=self.low + self.width + slack).contains(&log_snr) {
            return 0.0;
        }
        self.schedule.diffusion_squared(t) / (self.schedule.sigma(t).powi(2) * self.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time_sampler::contract;
    use advect_paths::schedule::{SubVariancePreserving, VariancePreserving};

    fn holds(schedule: impl Schedule + Copy) {
        let (start, end) = (0.005, 0.995);
        let law = UniformOverLogSnr::new(schedule, start, end).unwrap();
        let (low, high) = (schedule.log_snr(start), schedule.log_snr(end));
        contract::check_density(&law, |t| {
            ((schedule.log_snr(t) - low) / (high - low)).clamp(0.0, 1.0)
        });
    }

    #[test]
    fn keeps_the_contract() {
        holds(VariancePreserving::default());
        holds(SubVariancePreserving::default());
    }
}
