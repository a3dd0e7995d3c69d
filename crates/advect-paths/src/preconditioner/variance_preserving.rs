//! The preconditioner of DDPM++ (Karras et al. 2022, table 1, column "VP").

use advect_core::{Result, check};

use super::Preconditioner;
use crate::schedule::{Schedule, VariancePreserving};

/// The preconditioner for a network that predicts the noise and takes the diffusion time in steps, `(M − 1) s`.
///
/// ```
/// use advect_paths::preconditioner::{Preconditioner, VpPreconditioner};
/// use advect_paths::schedule::{Schedule, VariancePreserving};
/// let (vp, p) = (VariancePreserving::default(), VpPreconditioner::default()); // M = 1,000
/// let noise = vp.sigma(0.75) / vp.alpha(0.75);
/// assert!((p.label(0.75, noise) - 999.0 * 0.25).abs() < 1e-9);
/// ```
#[doc(alias = "DDPM++")]
#[doc(alias = "VP")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VpPreconditioner {
    schedule: VariancePreserving,
    steps: f64,
}

impl Default for VpPreconditioner {
    /// Returns the preconditioner with β from 0.1 to 20 and M = 1,000.
    fn default() -> Self {
        VpPreconditioner {
            schedule: VariancePreserving::default(),
            steps: 1000.0,
        }
    }
}

impl VpPreconditioner {
    /// Creates the preconditioner from the schedule and the number of steps M with which the network was trained.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for 0 steps.
    pub fn new(schedule: VariancePreserving, steps: usize) -> Result<Self> {
        let steps = check::at_least_one("steps", steps)? as f64;
        Ok(VpPreconditioner { schedule, steps })
    }
}

impl Preconditioner for VpPreconditioner {
    fn skip(&self, _: f64) -> f64 {
        1.0
    }
    fn output(&self, noise: f64) -> f64 {
        -noise
    }
    fn input(&self, noise: f64) -> f64 {
        1.0 / noise.hypot(1.0)
    }
    fn label(&self, _: f64, noise: f64) -> f64 {
        let s = 1.0 - self.schedule.time_at_log_snr(-2.0 * noise.ln());
        (self.steps - 1.0) * s
    }
}
