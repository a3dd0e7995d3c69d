//! Indices of steps in discrete time, the time input of the networks of Ho et al. 2020 and their successors.

use advect_core::{Error, Result};

use super::TimeMap;

/// A table of T values, one for each step. Step k = 1 … T stands at `t = 1 − k/T`, as on
/// [`DiscreteDiffusion`](crate::schedule::DiscreteDiffusion), and has the value `values[k − 1]`. The first value
/// belongs to the least noise, and the last to pure noise, at t = 0.
///
/// Between two steps values are interpolated linearly; between the first step and the data, which no network was trained on, the first
/// value is held. At a step the slope is that of its own interval, towards the data.
///
/// ```
/// use advect_paths::schedule::DiscreteDiffusion;
/// use advect_paths::time_map::{DiscreteTimes, TimeMap};
/// # fn main() -> advect_core::Result<()> {
/// let schedule = DiscreteDiffusion::default(); // 1,000 steps
/// let index = DiscreteTimes::steps(schedule.steps())?;
/// assert_eq!((index.at(0.0), index.at(schedule.time(1)), index.at(1.0)), (999.0, 0.0, 0.0));
/// assert_eq!((index.at(schedule.time(250)), index.slope(0.5)), (249.0, -1000.0));
///
/// // A schedule of 4 of those steps, whose network still knows them by their numbers.
/// let kept = DiscreteTimes::new(&[0.0, 250.0, 500.0, 750.0])?;
/// assert_eq!((kept.at(0.0), kept.at(0.25), kept.at(0.125)), (750.0, 500.0, 625.0));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "timesteps")]
#[derive(Debug, Clone, PartialEq)]
pub struct DiscreteTimes(Vec<f64>);

/// The most steps, so that tables fit the memory.
const MOST_STEPS: usize = 10_000_000;

impl DiscreteTimes {
    /// Creates a map to the indices of steps, from 0 at the least noise to T − 1 at the most: the timesteps of DDPM,
    /// guided-diffusion and diffusers.
    ///
    /// # Errors
    /// [`Error::Range`] for 0 steps or more than 10⁷.
    pub fn steps(count: usize) -> Result<Self> {
        if !(1..=MOST_STEPS).contains(&count) {
            let accepted = format!("a number from 1 to {MOST_STEPS}");
            return Err(Error::range("count", count, accepted));
        }
        Ok(DiscreteTimes((0..count).map(|k| k as f64).collect()))
    }

    /// Creates a map to your own values, from the least noise to the most.
    ///
    /// # Errors
    /// [`Error::Empty`] without values, [`Error::Range`] for one that is not finite.
    pub fn new(values: &[f64]) -> Result<Self> {
        if values.is_empty() {
            let argument = "values".into();
            return Err(Error::Empty { argument });
        }
        match values.iter().find(|v| !v.is_finite()) {
            Some(bad) => Err(Error::range("values", bad, "a finite number")),
            None => Ok(DiscreteTimes(values.to_vec())),
        }
    }

    /// The step at or before a time, towards the data, and the part of the way to the next one.
    fn place(&self, t: f64) -> (usize, f64) {
        let steps = self.0.len() as f64;
        let position = ((1.0 - t) * steps).clamp(0.0, steps);
        // The time of a step is that step's, whatever 1 − t was rounded to.
        let nearest = position.round();
        match (position - nearest).abs() < 1e-9 * (1.0 + nearest) {
            true => (nearest as usize, 0.0),
            false => (position.floor() as usize, position - position.floor()),
        }
    }
}

impl TimeMap for DiscreteTimes {
    fn at(&self, t: f64) -> f64 {
        let values = &self.0;
        match self.place(t) {
            (0, _) => values[0],
            (k, 0.0) => values[k - 1],
            (k, part) => values[k - 1] + part * (values[k] - values[k - 1]),
        }
    }

    fn slope(&self, t: f64) -> f64 {
        let values = &self.0;
        let below = match self.place(t) {
            (k, 0.0) => k.saturating_sub(1),
            (k, _) => k,
        };
        match below {
            0 => 0.0,
            k => (values[k - 1] - values[k]) * values.len() as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::DiscreteDiffusion;

    #[test]
    fn every_step_of_every_schedule_is_told_exactly() {
        for count in [1, 2, 7, 50, 250, 999, 1000, 4000] {
            let schedule = DiscreteDiffusion::linear(count, 1e-3, 0.3).unwrap();
            let index = DiscreteTimes::steps(count).unwrap();
            for k in 1..=count {
                assert_eq!(index.at(schedule.time(k)), (k - 1) as f64, "{k} of {count}");
            }
            assert_eq!((index.at(1.0), index.slope(1.0)), (0.0, 0.0));
        }
    }

    #[test]
    fn bad_tables_are_refused() {
        assert!(DiscreteTimes::steps(0).is_err());
        assert!(DiscreteTimes::steps(1 << 62).is_err());
        assert!(DiscreteTimes::new(&[]).is_err());
        assert!(DiscreteTimes::new(&[0.0, f64::NAN]).is_err());
        let one = DiscreteTimes::new(&[5.0]).unwrap();
        assert_eq!((one.at(0.0), one.at(0.3), one.slope(0.0)), (5.0, 5.0, 0.0));
    }
}
