//! The Swiss roll in the plane (Marsland 2009; scikit-learn's `make_swiss_roll` without its flat
//! coordinate, scaled as in FFJORD).

use std::f64::consts::PI;

use advect_core::{Result, check};

use super::{Rng, Toy, blur, uniform};

/// The distribution of `((a cos a, a sin a) + noise · z) · scale` with the angle `a = 3π/2 · (1 + 2u)`, u uniform on
/// [0, 1).
///
/// ```
/// use advect_data::toy::SwissRoll;
/// assert_eq!(SwissRoll::default(), SwissRoll { noise: 1.0, scale: 0.2 });
/// ```
#[doc(alias = "make_swiss_roll")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SwissRoll {
    /// The standard deviation of the noise, before scaling; 1 by default.
    pub noise: f64,
    /// The scale; 0.2 by default.
    pub scale: f64,
}

impl Default for SwissRoll {
    fn default() -> Self {
        SwissRoll {
            noise: 1.0,
            scale: 0.2,
        }
    }
}

impl Toy for SwissRoll {
    fn check(&self) -> Result<()> {
        check::non_negative("noise", self.noise)?;
        check::positive("scale", self.scale)?;
        Ok(())
    }

    fn point(&self, _: usize, rng: Rng<'_>) -> [f64; 2] {
        let angle = 1.5 * PI * (1.0 + 2.0 * uniform(rng));
        let (sin, cos) = angle.sin_cos();
        blur([angle * cos, angle * sin], self.noise, rng).map(|v| self.scale * v)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::contract;

    #[test]
    fn keeps_the_contract() {
        contract::check(&SwissRoll::default(), 3.6);
        for p in contract::check(
            &SwissRoll {
                noise: 0.0,
                scale: 1.0,
            },
            4.5 * PI,
        ) {
            // On the spiral r = a: the angle of the point is its radius.
            let (r, angle) = (p[0].hypot(p[1]), p[1].atan2(p[0]));
            assert!(((r - angle) / (2.0 * PI) - ((r - angle) / (2.0 * PI)).round()).abs() < 1e-9);
        }
        assert!(
            SwissRoll {
                noise: 0.0,
                scale: 0.0
            }
            .check()
            .is_err()
        );
    }
}
