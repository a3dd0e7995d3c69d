//! Two interleaved half circles (scikit-learn's `make_moons`).

use std::f64::consts::PI;

use advect_core::{Error, Result, check};

use super::{Rng, Toy, blur, uniform};

/// The distribution of `scale · (m + noise · z) + shift`, where m is on the half circle `(cos a, sin a)` or on `(1 −
/// cos a, ½ − sin a)`, a uniform on [0, π).
///
/// Scale and shift are those of torchcfm's `sample_moons`, whose noise is another one: uniform on [0, 0.2), and the same in both
/// coordinates.
///
/// ```
/// use advect_data::toy::TwoMoons;
/// let data = TwoMoons { noise: 0.2, ..TwoMoons::default() };
/// assert_eq!((data.scale, data.shift), (3.0, -1.0));
/// ```
#[doc(alias = "make_moons")]
#[doc(alias = "moons")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TwoMoons {
    /// The standard deviation of the noise, before scaling; 0.05 by default.
    pub noise: f64,
    /// The scale; 3 by default.
    pub scale: f64,
    /// The shift of both coordinates, after scaling; −1 by default.
    pub shift: f64,
}

impl Default for TwoMoons {
    fn default() -> Self {
        TwoMoons {
            noise: 0.05,
            scale: 3.0,
            shift: -1.0,
        }
    }
}

impl Toy for TwoMoons {
    fn check(&self) -> Result<()> {
        check::non_negative("noise", self.noise)?;
        check::positive("scale", self.scale)?;
        match self.shift.is_finite() {
            true => Ok(()),
            false => Err(Error::range("shift", self.shift, "a finite number")),
        }
    }

    fn point(&self, index: usize, rng: Rng<'_>) -> [f64; 2] {
        let (sin, cos) = (PI * uniform(rng)).sin_cos();
        let moon = match index % 2 {
            0 => [cos, sin],
            _ => [1.0 - cos, 0.5 - sin],
        };
        blur(moon, self.noise, rng).map(|v| self.scale * v + self.shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::contract;

    #[test]
    fn keeps_the_contract() {
        let points = contract::check(&TwoMoons::default(), 6.0);
        // The mean of both moons is at (1/2, 1/4) before scaling.
        let mean = |k: usize| points.iter().map(|p| p[k]).sum::<f64>() / 4000.0;
        assert!((mean(0) - 0.5).abs() < 0.15 && (mean(1) + 0.25).abs() < 0.1);
        let noiseless = TwoMoons {
            noise: 0.0,
            scale: 1.0,
            shift: 0.0,
        };
        for (i, p) in contract::check(&noiseless, 2.0).iter().enumerate() {
            let (x, y) = if i % 2 == 0 {
                (p[0], p[1])
            } else {
                (1.0 - p[0], 0.5 - p[1])
            };
            assert!((x * x + y * y - 1.0).abs() < 1e-12 && y >= -1e-12);
        }
        assert!(
            TwoMoons {
                noise: f64::NAN,
                ..noiseless
            }
            .check()
            .is_err()
        );
    }
}
