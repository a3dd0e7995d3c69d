//! EDM's weighting (Karras et al. 2022, table 1).

use advect_core::{Result, check};
use advect_paths::schedule::Schedule;

use super::Weighting;

/// EDM's weighting `w(t) = (ρ² + σ_d²)/(ρ σ_d)²` with `ρ = σ/α`, for a loss of the data. The loss of a network with
/// [`EdmPreconditioner`](advect_paths::preconditioner::EdmPreconditioner) then counts the same at all levels of noise.
///
/// ```
/// use advect_objectives::weighting::{EdmWeight, Weighting};
/// use advect_paths::schedule::{EdmSchedule, Schedule};
/// # fn main() -> advect_core::Result<()> {
/// let edm = EdmSchedule::default();
/// let t = edm.time_at_log_snr(-2.0 * 0.5f64.ln()); // σ = 0.5
/// assert!((EdmWeight::new(edm, 0.5)?.weight(t) - 8.0).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "Karras")]
#[doc(alias = "EDM")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EdmWeight<S> {
    schedule: S,
    sigma_data: f64,
}

impl<S: Schedule> EdmWeight<S> {
    /// Creates the weighting for data of standard deviation `sigma_data`.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless it is finite and above 0.
    pub fn new(schedule: S, sigma_data: f64) -> Result<Self> {
        let sigma_data = check::positive("sigma_data", sigma_data)?;
        Ok(EdmWeight {
            schedule,
            sigma_data,
        })
    }
}

impl<S: Schedule> Weighting for EdmWeight<S> {
    fn weight(&self, t: f64) -> f64 {
        let noise = self.schedule.sigma(t) / self.schedule.alpha(t);
        // In this form no term overflows where there is no signal.
        1.0 / self.sigma_data.powi(2) + 1.0 / noise.powi(2)
    }
}
