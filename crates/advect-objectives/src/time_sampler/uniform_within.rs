//! Uniform times away from the ends.

use advect_core::{Error, Generator, Result};
use rand_distr::StandardUniform;

use super::{TimeDensity, TimeSampler};

/// Independent times, uniform between two bounds, for paths whose targets are infinite at an end.
///
/// Song et al. 2021a leave out the last 1e-5 before the data of variance-preserving diffusions.
///
/// ```
/// use advect_core::Generator;
/// use advect_objectives::time_sampler::{TimeSampler, UniformWithin};
/// # fn main() -> advect_core::Result<()> {
/// let times = UniformWithin::new(0.0, 1.0 - 1e-5)?.sample(100, &mut Generator::from_seed(0))?;
/// assert!(times.iter().all(|&t| t < 1.0 - 1e-5));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UniformWithin {
    low: f64,
    high: f64,
}

impl UniformWithin {
    /// Creates the uniform law from `low` to `high`.
    ///
    /// # Errors
    /// [`Error::Range`] unless `0 ≤ low < high ≤ 1`.
    pub fn new(low: f64, high: f64) -> Result<Self> {
        if !(0.0 <= low && low < high && high <= 1.0) {
            let given = format!("{low}..{high}");
            return Err(Error::range(
                "times",
                given,
                "a range with 0 ≤ low < high ≤ 1",
            ));
        }
        Ok(UniformWithin { low, high })
    }
}

impl TimeSampler for UniformWithin {
    fn sample(&self, batch: usize, rng: &mut Generator) -> Result<Vec<f64>> {
        let time = |u: f64| (self.low + (self.high - self.low) * u).min(self.high);
        let uniform = rng.values(&StandardUniform, batch)?;
        Ok(uniform.into_iter().map(time).collect())
    }
}

impl TimeDensity for UniformWithin {
    fn density(&self, t: f64) -> f64 {
        match (self.low..=self.high).contains(&t) {
            true => 1.0 / (self.high - self.low),
            false => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time_sampler::contract;

    #[test]
    fn keeps_the_contract() {
        let law = UniformWithin::new(0.205, 0.995).unwrap();
        contract::check_density(&law, |t| ((t - 0.205) / 0.79).clamp(0.0, 1.0));
    }

    #[test]
    fn bad_ends_are_refused() {
        for (low, high) in [(0.5, 0.5), (-0.1, 1.0), (0.0, 1.1), (f64::NAN, 1.0)] {
            assert!(UniformWithin::new(low, high).is_err());
        }
    }
}
