//! Times from a finite set.

use advect_core::{Error, Generator, Result, check};
use advect_paths::schedule::DiscreteDiffusion;
use candle_core::DType;
use rand_distr::StandardUniform;

use super::TimeSampler;

/// Times from a finite set, each with the same chance: the steps of DDPM, the noise levels of NCSN, or t = 0 alone
/// for maps of one step.
///
/// ```
/// use advect_core::Generator;
/// use advect_objectives::time_sampler::{Levels, TimeSampler};
/// use advect_paths::schedule::DiscreteDiffusion;
/// # fn main() -> advect_core::Result<()> {
/// let ddpm = DiscreteDiffusion::default();
/// let times = Levels::of_steps(&ddpm).sample(10, &mut Generator::from_seed(0))?;
/// assert!(times.iter().all(|t| ddpm.times().contains(t)));
/// assert_eq!(Levels::evenly_spaced(3)?, Levels::new(vec![0.0, 0.5, 1.0])?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Levels {
    times: Vec<f64>,
}

impl Levels {
    /// Creates the law of these times.
    ///
    /// # Errors
    /// [`Error::Empty`] without times, [`Error::Range`] for one outside [0, 1].
    pub fn new(times: Vec<f64>) -> Result<Self> {
        if times.is_empty() {
            return Err(Error::Empty {
                argument: "times".into(),
            });
        }
        match times.iter().find(|t| !(0.0..=1.0).contains(*t)) {
            Some(bad) => Err(Error::range("times", bad, "a time in [0, 1]")),
            None => Ok(Levels { times }),
        }
    }

    /// Returns the law of t = 0 alone.
    pub fn start() -> Self {
        Levels { times: vec![0.0] }
    }

    /// Returns the law of DDPM's steps, k = 1 … T.
    pub fn of_steps(schedule: &DiscreteDiffusion) -> Self {
        Levels {
            times: schedule.times(),
        }
    }

    /// Returns the times.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// Returns the law of the times `i / (count − 1)` for i below `count`, from 0 to 1.
    ///
    /// # Errors
    /// [`Error::Range`] for fewer than two, and for more than fit the memory.
    pub fn evenly_spaced(count: usize) -> Result<Self> {
        if count < 2 {
            return Err(Error::range("count", count, "at least 2"));
        }
        check::memory("count", &[count], DType::F64)?;
        let last = (count - 1) as f64;
        Levels::new((0..count).map(|i| i as f64 / last).collect())
    }
}

impl TimeSampler for Levels {
    fn sample(&self, batch: usize, rng: &mut Generator) -> Result<Vec<f64>> {
        let count = self.times.len();
        let time = |u: f64| self.times[((u * count as f64) as usize).min(count - 1)];
        let uniform = rng.values(&StandardUniform, batch)?;
        Ok(uniform.into_iter().map(time).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_equal_chances() {
        let levels = Levels::new(vec![0.0, 0.3, 1.0]).unwrap();
        let times = levels.sample(30_000, &mut Generator::from_seed(0)).unwrap();
        for level in [0.0, 0.3, 1.0] {
            let share = times.iter().filter(|&&t| t == level).count() as f64 / 3e4;
            assert!((share - 1.0 / 3.0).abs() < 0.011, "{level}: {share}");
        }
    }

    #[test]
    fn bad_levels_are_refused() {
        assert!(Levels::new(vec![]).is_err());
        assert!(Levels::new(vec![0.5, 1.5]).is_err());
        assert!(Levels::new(vec![f64::NAN]).is_err());
        for bad in [1, 1 << 60, usize::MAX] {
            let levels = Levels::evenly_spaced(bad);
            assert!(matches!(levels, Err(Error::Range { .. })));
        }
    }
}
