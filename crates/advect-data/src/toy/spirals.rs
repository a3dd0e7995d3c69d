//! Two spirals (the "2spirals" of FFJORD, Grathwohl et al. 2019).

use std::f64::consts::TAU;

use advect_core::{Result, check};

use super::{Rng, Toy, blur, uniform};

/// A distribution on two spiral arms, `±(−a cos a, a sin a) / 3 + noise · z`, with the angle `a = 2π · turns · √u`, u
/// uniform on [0, 1), each coordinate of the arm shifted by up to 1/6 more.
///
/// ```
/// use advect_data::toy::Spirals;
/// assert_eq!(Spirals::default(), Spirals { turns: 1.5, noise: 0.1 });
/// ```
#[doc(alias = "2spirals")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spirals {
    /// The number of turns of an arm around the origin; 1.5 by default.
    pub turns: f64,
    /// The standard deviation of the noise; 0.1 by default.
    pub noise: f64,
}

impl Default for Spirals {
    fn default() -> Self {
        Spirals {
            turns: 1.5,
            noise: 0.1,
        }
    }
}

impl Toy for Spirals {
    fn check(&self) -> Result<()> {
        check::positive("turns", self.turns)?;
        check::non_negative("noise", self.noise)?;
        Ok(())
    }

    fn point(&self, index: usize, rng: Rng<'_>) -> [f64; 2] {
        let angle = TAU * self.turns * uniform(rng).sqrt();
        let (sin, cos) = angle.sin_cos();
        let arm = [-angle * cos, angle * sin].map(|v| (v + 0.5 * uniform(rng)) / 3.0);
        let sign = if index.is_multiple_of(2) { 1.0 } else { -1.0 };
        blur(arm.map(|v| sign * v), self.noise, rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::contract;

    #[test]
    fn keeps_the_contract() {
        let points = contract::check(&Spirals::default(), 4.0);
        // The two arms are each other's images.
        let mean = |k: usize| points.iter().map(|p| p[k]).sum::<f64>() / 4000.0;
        assert!(mean(0).abs() < 0.1 && mean(1).abs() < 0.1);
        assert!(
            Spirals {
                turns: 0.0,
                noise: 0.1
            }
            .check()
            .is_err()
        );
    }
}
