//! Independent uniform times.

use advect_core::{Generator, Result};
use rand_distr::StandardUniform;

use super::{TimeDensity, TimeSampler};

/// Independent times, uniform on [0, 1).
///
/// ```
/// use advect_core::Generator;
/// use advect_objectives::time_sampler::{TimeSampler, Uniform};
/// assert_eq!(Uniform.sample(3, &mut Generator::from_seed(0))?.len(), 3);
/// # Ok::<(), advect_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Uniform;

impl TimeSampler for Uniform {
    fn sample(&self, batch: usize, rng: &mut Generator) -> Result<Vec<f64>> {
        rng.values(&StandardUniform, batch)
    }
}

impl TimeDensity for Uniform {
    fn density(&self, _: f64) -> f64 {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time_sampler::contract;

    #[test]
    fn keeps_the_contract() {
        contract::check_density(&Uniform, |t| t);
    }
}
