//! Rings (as in FFJORD, Grathwohl et al. 2019).

use std::f64::consts::TAU;

use advect_core::{Result, check};

use super::{Rng, Toy, blur, uniform};

/// A distribution on `rings` circles around the origin, of radii `radius · k / rings`, plus noise.
///
/// ```
/// use advect_data::toy::Rings;
/// assert_eq!(Rings::default(), Rings { rings: 4, radius: 3.0, noise: 0.08 });
/// ```
#[doc(alias = "circles")]
#[doc(alias = "make_circles")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rings {
    /// The number of rings; 4 by default.
    pub rings: usize,
    /// The radius of the outermost ring; 3 by default.
    pub radius: f64,
    /// The standard deviation of the noise; 0.08 by default.
    pub noise: f64,
}

impl Default for Rings {
    fn default() -> Self {
        Rings {
            rings: 4,
            radius: 3.0,
            noise: 0.08,
        }
    }
}

impl Toy for Rings {
    fn check(&self) -> Result<()> {
        check::at_least_one("rings", self.rings)?;
        check::positive("radius", self.radius)?;
        check::non_negative("noise", self.noise)?;
        Ok(())
    }

    fn point(&self, index: usize, rng: Rng<'_>) -> [f64; 2] {
        let radius = self.radius * (index % self.rings.max(1) + 1) as f64 / self.rings as f64;
        let (sin, cos) = (TAU * uniform(rng)).sin_cos();
        blur([radius * cos, radius * sin], self.noise, rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::contract;

    #[test]
    fn keeps_the_contract() {
        contract::check(&Rings::default(), 3.5);
        let noiseless = Rings {
            noise: 0.0,
            ..Rings::default()
        };
        for (i, p) in contract::check(&noiseless, 3.0).iter().enumerate() {
            assert!((p[0].hypot(p[1]) - 0.75 * (i % 4 + 1) as f64).abs() < 1e-12);
        }
        assert!(
            Rings {
                rings: 0,
                ..noiseless
            }
            .check()
            .is_err()
        );
    }
}
