//! Your own noise levels.

use advect_core::{Error, Result};
use advect_paths::schedule::Schedule;

use super::Grid;
use crate::Level;

/// Your own falling ratios `σ/α`, the last of which may be 0: the sigmas of k-diffusion and diffusers.
///
/// ```
/// use advect_paths::schedule::CondOt;
/// use advect_samplers::grid::{GivenSigmas, Grid};
/// # fn main() -> advect_core::Result<()> {
/// let levels = GivenSigmas::new(&[3.0, 1.0, 0.0])?.levels(&CondOt::default())?;
/// assert_eq!(levels.iter().map(|l| l.time).collect::<Vec<_>>(), [0.25, 0.5, 1.0]); // (1 − t)/t
/// # Ok(())
/// # }
/// ```
#[doc(alias = "sigmas")]
#[derive(Debug, Clone, PartialEq)]
pub struct GivenSigmas(Vec<f64>);

impl GivenSigmas {
    /// Creates a grid of these ratios.
    ///
    /// # Errors
    /// [`Error::Range`] unless there are two or more, finite, not negative, and they fall strictly.
    pub fn new(sigmas: &[f64]) -> Result<Self> {
        // Without the sign of a zero.
        let sigmas: Vec<f64> = sigmas.iter().map(|s| s + 0.0).collect();
        let inside = sigmas.iter().all(|s| s.is_finite() && *s >= 0.0);
        if sigmas.len() < 2 || !inside || !sigmas.windows(2).all(|w| w[0] > w[1]) {
            let accepted = "a list of at least two falling numbers, finite and not negative";
            return Err(Error::range("sigmas", format!("{sigmas:?}"), accepted));
        }
        Ok(GivenSigmas(sigmas))
    }
}

impl Grid for GivenSigmas {
    fn levels(&self, schedule: &dyn Schedule) -> Result<Vec<Level>> {
        let level = |&sigma: &f64| match sigma == 0.0 {
            true => Ok(Level::clean()),
            false => Level::at_ratio(schedule, sigma),
        };
        self.0.iter().map(level).collect()
    }
}
