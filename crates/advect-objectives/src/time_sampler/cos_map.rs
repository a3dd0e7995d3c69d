//! The cosine schedule's density of ratios, for straight paths (Esser et al. 2024, section 3.1, eq. 21).

use std::f64::consts::{FRAC_PI_2, PI};

use advect_core::{Generator, Result};
use rand_distr::StandardUniform;

use super::{TimeDensity, TimeSampler};

/// Times `t = 1 / (1 + cot(πu/2))` with u uniform, of density `2/(π − 2πt + 2πt²)`: straight paths then meet
/// signal-to-noise ratios as often as cosine paths do with uniform times.
///
/// ```
/// use advect_objectives::time_sampler::{CosMap, TimeDensity};
/// assert!((CosMap.density(0.5) - 4.0 / std::f64::consts::PI).abs() < 1e-15);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CosMap;

impl TimeSampler for CosMap {
    fn sample(&self, batch: usize, rng: &mut Generator) -> Result<Vec<f64>> {
        let time = |u: f64| {
            let (sin, cos) = (FRAC_PI_2 * u).sin_cos();
            sin / (sin + cos)
        };
        let uniform = rng.values(&StandardUniform, batch)?;
        Ok(uniform.into_iter().map(time).collect())
    }
}

impl TimeDensity for CosMap {
    fn density(&self, t: f64) -> f64 {
        2.0 / (PI * (1.0 - 2.0 * t + 2.0 * t * t))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time_sampler::contract;

    #[test]
    fn keeps_the_contract() {
        contract::check_density(&CosMap, |t| (t / (1.0 - t)).atan() / FRAC_PI_2);
    }
}
