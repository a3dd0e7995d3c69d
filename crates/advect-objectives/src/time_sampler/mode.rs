//! Times with a heavy middle (Esser et al. 2024, section 3.1, eq. 20).

use std::f64::consts::{FRAC_PI_2, PI};

use advect_core::{Error, Generator, Result};
use rand_distr::StandardUniform;

use super::{TimeDensity, TimeSampler};

/// Times `t = u + s (cos²(πu/2) − 1 + u)` with u uniform: for scales s above 0 more times are in the middle, below 0
/// more at the ends. The scale 0 is the uniform law.
///
/// (Esser et al. run time from data to noise: our t is their 1 − t.)
///
/// ```
/// use advect_core::Generator;
/// use advect_objectives::time_sampler::{Mode, TimeSampler};
/// # fn main() -> advect_core::Result<()> {
/// let times = Mode::new(1.29)?.sample(1000, &mut Generator::from_seed(0))?;
/// let middle = times.iter().filter(|t| (0.25..0.75).contains(*t)).count();
/// assert!(middle > 600);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mode {
    scale: f64,
}

impl Mode {
    /// Creates a law with a scale in `[−1, 2/(π − 2)]`, for which the map is monotone. The paper's best is 1.29.
    ///
    /// # Errors
    /// [`Error::Range`] outside.
    pub fn new(scale: f64) -> Result<Self> {
        if !(-1.0..=2.0 / (PI - 2.0)).contains(&scale) {
            return Err(Error::range("scale", scale, "a number in [−1, 2/(π − 2)]"));
        }
        Ok(Mode { scale })
    }

    fn map(&self, u: f64) -> f64 {
        let bend = (FRAC_PI_2 * u).cos().powi(2) - 1.0 + u;
        (u + self.scale * bend).clamp(0.0, 1.0)
    }
}

impl TimeSampler for Mode {
    fn sample(&self, batch: usize, rng: &mut Generator) -> Result<Vec<f64>> {
        let uniform = rng.values(&StandardUniform, batch)?;
        Ok(uniform.into_iter().map(|u| self.map(u)).collect())
    }
}

impl TimeDensity for Mode {
    /// Returns `du/dt`, with u found by bisection.
    fn density(&self, t: f64) -> f64 {
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if self.map(middle) < t {
                low = middle;
            } else {
                high = middle;
            }
        }
        let u = 0.5 * (low + high);
        1.0 / (1.0 + self.scale * (1.0 - FRAC_PI_2 * (PI * u).sin()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time_sampler::contract;

    #[test]
    fn keeps_the_contract() {
        for scale in [-0.7, 0.0, 0.8, 1.29] {
            let law = Mode::new(scale).unwrap();
            let distribution = |t: f64| {
                // The inverse of the map, by Newton's method from the middle of a bracket.
                let (mut low, mut high) = (0.0, 1.0);
                while high - low > 1e-15 {
                    let middle = 0.5 * (low + high);
                    if law.map(middle) < t {
                        low = middle
                    } else {
                        high = middle
                    }
                    if middle == low && middle == high {
                        break;
                    }
                }
                0.5 * (low + high)
            };
            contract::check_density(&law, distribution);
        }
    }

    #[test]
    fn bad_scales_are_refused() {
        for bad in [-1.1, 1.8, f64::NAN] {
            assert!(Mode::new(bad).is_err());
        }
    }
}
