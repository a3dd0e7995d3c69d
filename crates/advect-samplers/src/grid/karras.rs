//! The levels of Karras et al. (Elucidating the design space of diffusion-based generative models, 2022, eq. 5).

use advect_core::{Error, Result};
use advect_paths::schedule::Schedule;

use super::{Grid, between, check_range, check_steps, usual_range};
use crate::Level;

/// The levels `σ_i = (σ_max^(1/ρ) + i/(n − 1) (σ_min^(1/ρ) − σ_max^(1/ρ)))^ρ` for i < n, and then 0, with σ standing
/// for `σ/α`: n steps on any schedule. (One step goes from σ_max to the data.)
///
/// ```
/// use advect_paths::schedule::EdmSchedule;
/// use advect_samplers::grid::{Grid, Karras};
/// # fn main() -> advect_core::Result<()> {
/// let levels = Karras::new(18)?.levels(&EdmSchedule::default())?;
/// assert_eq!(levels.len(), 19);
/// assert!((levels[0].sigma - 80.0).abs() < 1e-9 && (levels[17].sigma - 0.002).abs() < 1e-12);
/// assert!(levels[18].is_clean());
/// # Ok(())
/// # }
/// ```
#[doc(alias = "EDM")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Karras {
    steps: usize,
    rho: f64,
    range: Option<(f64, f64)>,
}

impl Karras {
    /// Creates n steps with ρ = 7, from σ = 80 to 0.002, or the part of that range on the schedule. In discrete time,
    /// they go from the most to the least noise of the training.
    ///
    /// # Errors
    /// [`Error::Range`] for 0 steps.
    pub fn new(steps: usize) -> Result<Self> {
        Ok(Karras {
            steps: check_steps(steps)?,
            rho: 7.0,
            range: None,
        })
    }

    /// Sets ρ: 1 makes equal steps of σ, and larger numbers make more steps where there is little noise.
    ///
    /// # Errors
    /// [`Error::Range`] unless `0.5 ≤ ρ ≤ 1e6`. As ρ grows, the grid comes close to
    /// [`UniformLogSnr`](super::UniformLogSnr).
    pub fn rho(self, rho: f64) -> Result<Self> {
        if !(0.5..=1e6).contains(&rho) {
            return Err(Error::range("rho", rho, "a number from 0.5 to 1e6"));
        }
        Ok(Karras { rho, ..self })
    }

    /// Sets the largest and the least level.
    ///
    /// # Errors
    /// [`Error::Range`] unless `0 < sigma_min < sigma_max`.
    pub fn range(self, sigma_min: f64, sigma_max: f64) -> Result<Self> {
        Ok(Karras {
            range: Some(check_range(sigma_min, sigma_max)?),
            ..self
        })
    }
}

impl Grid for Karras {
    fn levels(&self, schedule: &dyn Schedule) -> Result<Vec<Level>> {
        let (low, high) = self.range.unwrap_or_else(|| usual_range(schedule));
        let (low_root, high_root) = (low.powf(1.0 / self.rho), high.powf(1.0 / self.rho));
        between(schedule, self.steps, (low, high), |part| {
            (high_root + part * (low_root - high_root)).powf(self.rho)
        })
    }
}
