//! The S-curve in the plane (scikit-learn's `make_s_curve` without its flat coordinate).

use std::f64::consts::PI;

use advect_core::{Result, check};

use super::{Rng, Toy, blur, uniform};

/// The distribution of `((sin a, sign(a) (cos a − 1)) + noise · z) · scale` with `a = 3π (u − ½)`, u uniform on [0, 1).
///
/// ```
/// use advect_data::toy::SCurve;
/// assert_eq!(SCurve::default(), SCurve { noise: 0.05, scale: 1.5 });
/// ```
#[doc(alias = "make_s_curve")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SCurve {
    /// The standard deviation of the noise, before scaling; 0.05 by default.
    pub noise: f64,
    /// The scale; 1.5 by default.
    pub scale: f64,
}

impl Default for SCurve {
    fn default() -> Self {
        SCurve {
            noise: 0.05,
            scale: 1.5,
        }
    }
}

impl Toy for SCurve {
    fn check(&self) -> Result<()> {
        check::non_negative("noise", self.noise)?;
        check::positive("scale", self.scale)?;
        Ok(())
    }

    fn point(&self, _: usize, rng: Rng<'_>) -> [f64; 2] {
        let angle = 3.0 * PI * (uniform(rng) - 0.5);
        let (sin, cos) = angle.sin_cos();
        blur([sin, angle.signum() * (cos - 1.0)], self.noise, rng).map(|v| self.scale * v)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::contract;

    #[test]
    fn keeps_the_contract() {
        contract::check(&SCurve::default(), 3.4);
        for p in contract::check(
            &SCurve {
                noise: 0.0,
                scale: 1.0,
            },
            2.0,
        ) {
            // Two arcs of unit circles around (0, ±1).
            assert!((p[0].hypot(p[1].abs() - 1.0) - 1.0).abs() < 1e-12);
        }
        assert!(
            SCurve {
                noise: -1.0,
                scale: 1.0
            }
            .check()
            .is_err()
        );
    }
}
