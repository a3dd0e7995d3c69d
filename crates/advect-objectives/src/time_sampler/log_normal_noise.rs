//! Log-normal noise levels (Karras et al. 2022, table 1).

use advect_core::normal::pdf;
use advect_core::{Error, Generator, Result, check};
use advect_paths::schedule::Schedule;
use rand_distr::StandardNormal;

use super::{TimeDensity, TimeSampler, integral};

/// Times at which `ln(σ/α) ~ N(mean, std²)`, within the levels of the schedule. Levels outside are drawn again.
///
/// EDM has mean −1.2 and std 1.2, of which [`EdmSchedule`](advect_paths::schedule::EdmSchedule)'s default range leaves out 2e-5.
///
/// ```
/// use advect_core::Generator;
/// use advect_objectives::time_sampler::{LogNormalNoise, TimeSampler};
/// use advect_paths::schedule::{EdmSchedule, Schedule};
/// # fn main() -> advect_core::Result<()> {
/// let edm = EdmSchedule::default();
/// let times = LogNormalNoise::new(edm, -1.2, 1.2)?.sample(1001, &mut Generator::from_seed(0))?;
/// let mut levels: Vec<f64> = times.iter().map(|&t| edm.sigma(t)).collect();
/// levels.sort_by(f64::total_cmp);
/// assert!((levels[500].ln() + 1.2).abs() < 0.15);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "P_mean")]
#[doc(alias = "EDM")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogNormalNoise<S> {
    schedule: S,
    mean: f64,
    std: f64,
    /// The standardised ends of the schedule, from the data to the noise.
    range: (f64, f64),
    mass: f64,
}

impl<S: Schedule> LogNormalNoise<S> {
    /// Creates a law with a mean and a standard deviation of `ln(σ/α)`.
    ///
    /// # Errors
    /// [`Error::Range`] unless `mean` is finite and `std` finite and above 0, and if less than a hundredth of the law is
    /// within the levels of the schedule.
    pub fn new(schedule: S, mean: f64, std: f64) -> Result<Self> {
        if !mean.is_finite() {
            return Err(Error::range("mean", mean, "a finite number"));
        }
        let std = check::positive("std", std)?;
        // Beyond ten deviations nothing is left.
        let standard = |t: f64| ((-0.5 * schedule.log_snr(t) - mean) / std).clamp(-10.0, 10.0);
        let range = (standard(1.0), standard(0.0));
        let mass = integral(pdf, range.0, range.1);
        // NaN is of no use either.
        if mass.is_nan() || mass < 0.01 {
            let given = format!("{mean} ± {std}");
            let accepted = "a law of levels that the schedule reaches";
            return Err(Error::range("mean", given, accepted));
        }
        Ok(LogNormalNoise {
            schedule,
            mean,
            std,
            range,
            mass,
        })
    }
}

impl<S: Schedule> TimeSampler for LogNormalNoise<S> {
    fn sample(&self, batch: usize, rng: &mut Generator) -> Result<Vec<f64>> {
        let (low, high) = self.range;
        let mut times = Vec::new();
        while times.len() < batch {
            let inside = (rng
                .values(&StandardNormal, batch - times.len())?
                .into_iter())
            .filter(|z| (low..=high).contains(z));
            let time = |z: f64| {
                let log_noise = self.mean + self.std * z;
                self.schedule.time_at_log_snr(-2.0 * log_noise)
            };
            times.extend(inside.map(time));
        }
        Ok(times)
    }
}

impl<S: Schedule> TimeDensity for LogNormalNoise<S> {
    fn density(&self, t: f64) -> f64 {
        let log_noise = -0.5 * self.schedule.log_snr(t);
        // d ln(σ/α)/dt = −½ dλ/dt = −½ g²/σ².
        let slope = 0.5 * self.schedule.diffusion_squared(t) / self.schedule.sigma(t).powi(2);
        let density = pdf((log_noise - self.mean) / self.std) * slope / self.std;
        if density.is_nan() {
            0.0
        } else {
            density / self.mass
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time_sampler::contract::check_density;
    use advect_paths::schedule::{CondOt, EdmSchedule};

    fn holds(schedule: impl Schedule + Copy, mean: f64, std: f64) {
        let law = LogNormalNoise::new(schedule, mean, std).unwrap();
        let below = |t: f64| {
            let z = (-0.5 * schedule.log_snr(t) - mean) / std;
            advect_core::normal::cdf(z.clamp(-6.0, 6.0))
        };
        let (all, least) = (below(0.0) - below(1.0), below(0.0));
        check_density(&law, |t| (least - below(t)) / all);
    }

    #[test]
    fn keeps_the_contract() {
        holds(EdmSchedule::default(), -1.2, 1.2);
        holds(EdmSchedule::new(0.1, 1.0, 3.0).unwrap(), -1.2, 1.2);
        holds(CondOt::default(), 0.0, 1.0);
    }

    #[test]
    fn bad_settings_are_refused() {
        assert!(LogNormalNoise::new(EdmSchedule::default(), f64::NAN, 1.0).is_err());
        assert!(LogNormalNoise::new(EdmSchedule::default(), 0.0, 0.0).is_err());
        assert!(LogNormalNoise::new(EdmSchedule::default(), 50.0, 1.0).is_err());
    }
}
