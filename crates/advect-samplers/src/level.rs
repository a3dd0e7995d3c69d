//! The noise levels that samplers visit.

use advect_core::{Error, Result, check};
use advect_ops::combine;
use advect_paths::schedule::Schedule;
use candle_core::Tensor;

/// A place on an affine path: a time, and the α and σ there. The last of a [`Grid`](crate::grid::Grid) may be clean data.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Level {
    /// The time. A network can be asked there unless the level is clean.
    pub time: f64,
    /// The factor of the data.
    pub alpha: f64,
    /// The factor of the noise.
    pub sigma: f64,
    /// The logarithm of the signal-to-noise ratio, `ln(α²/σ²)`.
    pub log_snr: f64,
}

impl Level {
    /// Returns the level of a schedule at a time.
    pub fn at(schedule: &dyn Schedule, time: f64) -> Self {
        Level {
            // Without the sign of a zero.
            time: time + 0.0,
            alpha: schedule.alpha(time),
            sigma: schedule.sigma(time),
            log_snr: schedule.log_snr(time),
        }
    }

    /// Returns the level of a schedule at which `σ/α` is `ratio`.
    ///
    /// # Errors
    /// [`Error::Range`] for a ratio that the schedule does not have.
    pub fn at_ratio(schedule: &dyn Schedule, ratio: f64) -> Result<Self> {
        let log_snr = -2.0 * ratio.ln();
        let level = Level::at(schedule, schedule.time_at_log_snr(log_snr));
        let near = (level.log_snr - log_snr).abs() <= 1e-6 * (1.0 + log_snr.abs());
        if !(near && log_snr.is_finite()) {
            let (most, least) = (Level::at(schedule, 0.0), Level::at(schedule, 1.0));
            let accepted = format!("a ratio σ/α from {} to {}", least.ratio(), most.ratio());
            return Err(Error::range("sigma", ratio, accepted));
        }
        Ok(level)
    }

    /// Returns the level of clean data, α = 1 and σ = 0 at time 1, beyond the least noise of any schedule.
    pub fn clean() -> Self {
        Level {
            time: 1.0,
            alpha: 1.0,
            sigma: 0.0,
            log_snr: f64::INFINITY,
        }
    }

    /// Returns the state `α x1 + σ x0` of data and standard normal noise at this level.
    ///
    /// ```
    /// use advect_paths::schedule::CondOt;
    /// use advect_samplers::Level;
    /// use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// let (data, noise) = (Tensor::new(&[8f64], &Device::Cpu)?, Tensor::new(&[1f64], &Device::Cpu)?);
    /// let x = Level::at(&CondOt::default(), 0.75).noised(&data, &noise)?;
    /// assert_eq!(x.to_vec1::<f64>()?, [6.25]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Typed errors for data that is empty or no float, and noise that is not like it.
    #[doc(alias = "add_noise")]
    #[doc(alias = "q_sample")]
    pub fn noised(&self, data: &Tensor, noise: &Tensor) -> Result<Tensor> {
        check::batch("data", data)?;
        check::float("data", data)?;
        check::alike("noise", noise, "data", data)?;
        combine(&[(self.alpha.into(), data), (self.sigma.into(), noise)])
    }

    /// Returns `true` if there is no noise.
    pub fn is_clean(&self) -> bool {
        self.sigma == 0.0
    }

    /// Returns `σ/α`, the standard deviation of the noise relative to the factor of the data. It is infinite where α = 0.
    pub fn ratio(&self) -> f64 {
        self.sigma / self.alpha
    }
}

/// A step of a sampler's grid, from one level to the next.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Transition {
    /// The number of transitions before this one.
    pub index: usize,
    /// The number of transitions.
    pub count: usize,
    /// The level at the start.
    pub from: Level,
    /// The level at the end.
    pub to: Level,
    /// The level at the end of the last transition.
    pub end: Level,
    /// The level of the least noise on the grid, the end excluded if it is clean.
    pub least: Level,
}

impl Transition {
    /// Creates a transition that is the only one of its run.
    pub fn new(from: Level, to: Level) -> Self {
        Transition {
            index: 0,
            count: 1,
            from,
            to,
            end: to,
            least: if to.is_clean() { from } else { to },
        }
    }

    /// Returns the part `1 − r²` of the noise's variance that the transition takes away, where
    /// `r = α_from σ_to / (α_to σ_from)`.
    ///
    /// ```
    /// use advect_paths::schedule::CondOt;
    /// use advect_samplers::{Level, Transition};
    /// let at = |t| Level::at(&CondOt::default(), t);
    /// // σ/α falls from 1 to 1/3.
    /// assert!((Transition::new(at(0.5), at(0.75)).variance_removed() - 8.0 / 9.0).abs() < 1e-15);
    /// ```
    pub fn variance_removed(&self) -> f64 {
        -(-2.0 * self.log_ratio()).exp_m1()
    }

    /// Refuses a transition that begins with pure noise, for rules that divide by α.
    ///
    /// # Errors
    /// [`Error::Range`] naming the grid, if α is 0 at the start.
    pub fn requires_data(&self) -> Result<()> {
        if self.from.alpha == 0.0 {
            let accepted = "a grid whose levels all have data in them, such as Karras or Respaced";
            return Err(Error::range("grid", "a level with α = 0", accepted));
        }
        Ok(())
    }

    /// Returns `λ_to − λ_from` with `λ = ln(α/σ)`, which is infinite from pure noise and to clean data.
    pub fn log_ratio(&self) -> f64 {
        0.5 * (self.to.log_snr - self.from.log_snr)
    }

    /// Returns `true` if this is the last transition.
    pub fn is_last(&self) -> bool {
        self.index + 1 == self.count
    }
}
