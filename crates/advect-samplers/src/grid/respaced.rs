//! Subsets of DDPM's steps (Song, Meng and Ermon, Denoising diffusion implicit models, 2021, section 4.2 and appendix D.2; Lin et
//! al., Common diffusion noise schedules and sample steps are flawed, 2024, table 2).

use advect_core::{Error, Result, check};
use advect_paths::schedule::Schedule;

use super::{Grid, check_count};
use crate::Level;

/// Some of the T steps on which a model was trained, at times `1 − k/T`, and then the data at k = 0. (Implementations
/// that count from 0 call step k "timestep k − 1".)
///
/// ```
/// use advect_samplers::grid::Respaced;
/// # fn main() -> advect_core::Result<()> {
/// assert_eq!(Respaced::leading(1000, 4)?.steps(), [751, 501, 251, 1, 0]);
/// assert_eq!(Respaced::trailing(1000, 4)?.steps(), [1000, 750, 500, 250, 0]);
/// assert_eq!(Respaced::linear(1000, 4)?.steps(), [1000, 667, 334, 1, 0]);
/// assert_eq!(Respaced::quadratic(1000, 4)?.steps(), [801, 356, 89, 1, 0]);
/// let error = Respaced::leading(10, 11).unwrap_err().to_string();
/// assert_eq!(error, "steps: got 11, expected a number from 1 to 10, those of training");
/// # Ok(())
/// # }
/// ```
#[doc(alias = "timestep_spacing")]
#[doc(alias = "timestep_respacing")]
#[doc(alias = "DDIM")]
#[derive(Debug, Clone, PartialEq)]
pub struct Respaced {
    trained: usize,
    steps: Vec<usize>,
}

impl Respaced {
    /// Creates a grid of all T steps: DDPM's own sampling.
    ///
    /// # Errors
    /// [`Error::Range`] for 0 steps.
    pub fn all(trained: usize) -> Result<Self> {
        Respaced::spread(trained, trained, |i| i + 1)
    }

    /// Creates a grid of the steps `k = 1 + i ⌊T/n⌋`, which include the least noise but not the most: DDIM's "linear" selection.
    ///
    /// # Errors
    /// [`Error::Range`] for 0 steps, or more than T.
    pub fn leading(trained: usize, steps: usize) -> Result<Self> {
        let stride = trained / steps.max(1);
        Respaced::spread(trained, steps, |i| 1 + i * stride)
    }

    /// Creates a grid of the steps `k = T − i T/n`, rounded, which include the most noise but not the least.
    ///
    /// # Errors
    /// [`Error::Range`] for 0 steps, or more than T.
    pub fn trailing(trained: usize, steps: usize) -> Result<Self> {
        let stride = trained as f64 / steps.max(1) as f64;
        Respaced::spread(trained, steps, |i| {
            (trained as f64 - (steps - 1 - i) as f64 * stride).round_ties_even() as usize
        })
    }

    /// Creates a grid from 1 to T in equal steps, rounded.
    ///
    /// # Errors
    /// [`Error::Range`] for 0 steps, or more than T.
    pub fn linear(trained: usize, steps: usize) -> Result<Self> {
        let stride = (trained.max(1) - 1) as f64 / (steps.max(2) - 1) as f64;
        // One step has to be from where the noise is.
        let first = if steps == 1 { trained.max(1) - 1 } else { 0 };
        Respaced::spread(trained, steps, |i| {
            1 + first + (i as f64 * stride).round_ties_even() as usize
        })
    }

    /// Creates a grid of the steps `k = 1 + ⌊(i/(n − 1) √(0.8 T))²⌋`, each at least one from the previous one: more
    /// steps where there is little noise.
    ///
    /// # Errors
    /// [`Error::Range`] for 0 steps, or more than T.
    pub fn quadratic(trained: usize, steps: usize) -> Result<Self> {
        let root = (0.8 * trained as f64).sqrt() / (steps.max(2) - 1) as f64;
        let place = |i: usize| match steps {
            1 => 1 + (0.8 * trained as f64) as usize,
            // What rounding takes from a square of a root is put back.
            _ => 1 + ((i as f64 * root).powi(2) + 1e-9) as usize,
        };
        Respaced::spread(trained, steps, place)
    }

    /// Creates a grid of these steps, from noise to data. The last may be 0, the data itself.
    ///
    /// # Errors
    /// [`Error::Range`] unless there are two or more, not above T, and they fall strictly.
    pub fn given(trained: usize, steps: &[usize]) -> Result<Self> {
        check::at_least_one("trained", trained)?;
        let inside = steps.iter().all(|&k| k <= trained);
        if steps.len() < 2 || !inside || !steps.windows(2).all(|w| w[0] > w[1]) {
            let accepted = format!("a list of at least two falling steps, from {trained} or below");
            return Err(Error::range("steps", format!("{steps:?}"), accepted));
        }
        Ok(Respaced {
            trained,
            steps: steps.to_vec(),
        })
    }

    /// n steps that rise with i = 0 … n − 1, kept apart from each other and below T.
    fn spread(trained: usize, steps: usize, place: impl Fn(usize) -> usize) -> Result<Self> {
        check_count("trained", trained)?;
        if steps == 0 || steps > trained {
            let accepted = format!("a number from 1 to {trained}, those of training");
            return Err(Error::range("steps", steps, accepted));
        }
        let mut rising = Vec::with_capacity(steps);
        let mut last = 0;
        for i in 0..steps {
            // Room for those that come after.
            last = place(i).max(last + 1).min(trained - (steps - 1 - i));
            rising.push(last);
        }
        rising.reverse();
        rising.push(0);
        Respaced::given(trained, &rising)
    }

    /// Returns the steps, from noise to data.
    pub fn steps(&self) -> &[usize] {
        &self.steps
    }
}

impl Grid for Respaced {
    fn levels(&self, schedule: &dyn Schedule) -> Result<Vec<Level>> {
        if let Some(steps) = schedule.trained_steps()
            && steps != self.trained
        {
            let accepted = format!("{steps}, the steps of the schedule");
            return Err(Error::range("trained", self.trained, accepted));
        }
        let time = |&k: &usize| 1.0 - k as f64 / self.trained as f64;
        let levels = (self.steps.iter()).map(|k| Level::at(schedule, time(k)));
        Ok(levels.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_steps_is_possible() {
        let kinds = [
            Respaced::leading,
            Respaced::trailing,
            Respaced::linear,
            Respaced::quadratic,
        ];
        for trained in [1, 2, 10, 1000] {
            for steps in (1..=trained).step_by(1.max(trained / 37)) {
                for kind in kinds {
                    let grid = kind(trained, steps).unwrap();
                    assert_eq!(grid.steps().len(), steps + 1);
                    assert!(grid.steps()[0] <= trained && grid.steps()[steps] == 0);
                }
            }
            assert_eq!(
                Respaced::quadratic(trained, trained).unwrap().steps(),
                Respaced::all(trained).unwrap().steps()
            );
        }
    }

    #[test]
    fn bad_steps_are_refused() {
        for steps in [&[][..], &[5], &[5, 5], &[1, 2], &[11, 1]] {
            assert!(Respaced::given(10, steps).is_err(), "{steps:?}");
        }
        let message = |grid: Result<Respaced>| grid.unwrap_err().to_string();
        for grid in [Respaced::all(0), Respaced::leading(0, 5)] {
            assert!(message(grid).starts_with("trained: got 0, "));
        }
        assert!(message(Respaced::trailing(10, 0)).starts_with("steps: got 0, "));
    }
}
