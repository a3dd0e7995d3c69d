//! Equal steps of the logarithm of the signal-to-noise ratio (Lu et al., DPM-Solver, 2022, section 3.3).

use advect_core::Result;
use advect_paths::schedule::Schedule;

use super::{Grid, between, check_range, check_steps, usual_range};
use crate::Level;

/// The levels whose `ln σ_i` falls in equal steps from σ_max to σ_min, for i < n, and then σ = 0, with σ standing for
/// `σ/α`: n steps.
///
/// ```
/// use advect_paths::schedule::Cosine;
/// use advect_samplers::grid::{Grid, UniformLogSnr};
/// # fn main() -> advect_core::Result<()> {
/// let levels = UniformLogSnr::new(5)?.levels(&Cosine)?;
/// let steps: Vec<f64> = levels.windows(2).map(|w| w[1].log_snr - w[0].log_snr).collect();
/// assert!((steps[0] - steps[3]).abs() < 1e-6 && steps[4] == f64::INFINITY);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UniformLogSnr {
    steps: usize,
    range: Option<(f64, f64)>,
}

impl UniformLogSnr {
    /// Creates n steps from σ = 80 to 0.002, or the part of that range on the schedule. In discrete time, they go
    /// from the most to the least noise of the training.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for 0 steps.
    pub fn new(steps: usize) -> Result<Self> {
        Ok(UniformLogSnr {
            steps: check_steps(steps)?,
            range: None,
        })
    }

    /// Sets the largest and the least level.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless `0 < sigma_min < sigma_max`.
    pub fn range(self, sigma_min: f64, sigma_max: f64) -> Result<Self> {
        Ok(UniformLogSnr {
            range: Some(check_range(sigma_min, sigma_max)?),
            ..self
        })
    }
}

impl Grid for UniformLogSnr {
    fn levels(&self, schedule: &dyn Schedule) -> Result<Vec<Level>> {
        let (low, high) = self.range.unwrap_or_else(|| usual_range(schedule));
        let f = |part| high * (low / high).powf(part);
        between(schedule, self.steps, (low, high), f)
    }
}
