//! Noise levels in place of times (Kingma et al., Variational diffusion models, 2021; Karras et al. 2022, table 1).

use advect_core::{Result, check};

use super::TimeMap;
use crate::schedule::Schedule;

/// The map `a + b λ(t)` with `λ = ln(α²/σ²)` of a schedule. A network that takes the level of noise works on any
/// schedule.
///
/// Where α or σ is 0, λ is infinite, and the network can't be asked.
///
/// ```
/// use advect_paths::schedule::{EdmSchedule, Schedule};
/// use advect_paths::time_map::{LogSnrTime, TimeMap};
/// let edm = EdmSchedule::default();
/// let map = LogSnrTime::c_noise(edm);
/// assert!((map.at(0.3) - 0.25 * edm.sigma(0.3).ln()).abs() < 1e-14);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogSnrTime<S> {
    schedule: S,
    offset: f64,
    scale: f64,
}

impl<S: Schedule> LogSnrTime<S> {
    /// Creates a map to λ itself.
    pub fn new(schedule: S) -> Self {
        LogSnrTime {
            schedule,
            offset: 0.0,
            scale: 1.0,
        }
    }

    /// Creates a map to EDM's `¼ ln(σ/α)`.
    #[doc(alias = "EDM")]
    pub fn c_noise(schedule: S) -> Self {
        LogSnrTime {
            schedule,
            offset: 0.0,
            scale: -0.125,
        }
    }

    /// Sets an offset a and a scale b, for `a + b λ`.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless both are finite.
    pub fn scaled(self, offset: f64, scale: f64) -> Result<Self> {
        Ok(LogSnrTime {
            offset: check::finite_number("offset", offset)?,
            scale: check::finite_number("scale", scale)?,
            ..self
        })
    }
}

impl<S: Schedule> TimeMap for LogSnrTime<S> {
    fn at(&self, t: f64) -> f64 {
        self.offset + self.scale * self.schedule.log_snr(t)
    }

    fn slope(&self, t: f64) -> f64 {
        let s = &self.schedule;
        let of_noise = s.sigma_d_sigma(t) / s.sigma(t).powi(2);
        2.0 * self.scale * (s.d_alpha(t) / s.alpha(t) - of_noise)
    }
}
