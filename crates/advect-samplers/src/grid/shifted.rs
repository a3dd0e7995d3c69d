//! Steps moved towards the noise, for large images (Esser et al., Scaling rectified flow transformers for high-resolution
//! image synthesis, 2024, eq. 23).

use advect_core::{Error, Result, check};
use advect_paths::schedule::Schedule;

use super::{Grid, check_steps};
use crate::Level;

/// The times `1 − t_i = m s_i / (1 + (m − 1) s_i)` with `s_i = 1 − i/n`, for i = 0 … n.
///
/// The more pixels an image has, the more noise it takes to hide it: an image of m² as many pixels at the moved time is as
/// uncertain as the smaller one was before. m = 3 for SD3 at 1024², and m = 1 does nothing.
///
/// ```
/// use advect_paths::schedule::CondOt;
/// use advect_samplers::grid::{Grid, Shifted};
/// # fn main() -> advect_core::Result<()> {
/// let levels = Shifted::new(2, 3.0)?.levels(&CondOt::default())?;
/// assert_eq!(levels.iter().map(|l| l.time).collect::<Vec<_>>(), [0.0, 0.25, 1.0]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "SD3")]
#[doc(alias = "Flux")]
#[doc(alias = "timestep shift")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shifted {
    steps: usize,
    shift: f64,
}

impl Shifted {
    /// Creates n steps, shifted by m.
    ///
    /// # Errors
    /// [`Error::Range`] for 0 steps, or unless the shift is above 0.
    pub fn new(steps: usize, shift: f64) -> Result<Self> {
        Ok(Shifted {
            steps: check_steps(steps)?,
            shift: check::positive("shift", shift)?,
        })
    }

    /// Creates n steps for images of a number of tokens, as in Flux: `ln m` is linear in that number, 0.5 for 256 and
    /// 1.15 for 4,096.
    ///
    /// # Errors
    /// [`Error::Range`] for 0 steps or tokens, or for millions of tokens, whose shift would be infinite.
    pub fn for_tokens(steps: usize, tokens: usize) -> Result<Self> {
        let steps = check_steps(steps)?;
        let count = check::at_least_one("tokens", tokens)? as f64;
        let log = 0.5 + (1.15 - 0.5) * (count - 256.0) / (4096.0 - 256.0);
        let shift: f64 = log.exp();
        if !shift.is_finite() {
            let accepted = "a number of tokens whose shift is finite";
            return Err(Error::range("tokens", tokens, accepted));
        }
        Shifted::new(steps, shift)
    }
}

impl Grid for Shifted {
    fn levels(&self, schedule: &dyn Schedule) -> Result<Vec<Level>> {
        let time = |i: usize| {
            // The same for t, exact at both ends.
            let u = i as f64 / self.steps as f64;
            u / (u + self.shift * (1.0 - u))
        };
        let levels = (0..=self.steps).map(|i| Level::at(schedule, time(i)));
        Ok(levels.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_settings_are_refused_by_name() {
        let message = |grid: Result<Shifted>| grid.unwrap_err().to_string();
        assert!(message(Shifted::new(0, 3.0)).starts_with("steps: got 0, "));
        assert!(message(Shifted::new(4, 0.0)).starts_with("shift: got 0, "));
        for tokens in [0, 5_000_000, usize::MAX] {
            let message = message(Shifted::for_tokens(4, tokens));
            assert!(
                message.starts_with(&format!("tokens: got {tokens}, ")),
                "{message}"
            );
        }
        assert!(Shifted::for_tokens(4, 1_000_000).is_ok());
    }
}
