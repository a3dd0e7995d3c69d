//! Eight Gaussians on a circle.

use std::f64::consts::FRAC_PI_4;

use advect_core::{Result, check};

use super::{Rng, Toy, blur};

/// A mixture of Gaussians of standard deviation `std` at eight points on a circle of radius `radius`.
///
/// torchcfm's `sample_8gaussians` has the same circle and wider Gaussians: it takes the root of its variance of 0.1 for the variance, so
/// that its `std` is 0.1^¼, or 0.56.
///
/// ```
/// use advect_data::toy::EightGaussians;
/// let data = EightGaussians::default();
/// assert_eq!((data.radius, data.std * data.std), (5.0, 0.1));
/// ```
#[doc(alias = "8gaussians")]
#[doc(alias = "eight_normal_sample")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EightGaussians {
    /// The circle's radius; 5 by default.
    pub radius: f64,
    /// The standard deviation of each Gaussian; √0.1 by default.
    pub std: f64,
}

impl Default for EightGaussians {
    fn default() -> Self {
        EightGaussians {
            radius: 5.0,
            // The root of 0.1 whose square is 0.1 to the last bit.
            std: 0.1f64.sqrt(),
        }
    }
}

impl Toy for EightGaussians {
    fn check(&self) -> Result<()> {
        check::non_negative("radius", self.radius)?;
        check::non_negative("std", self.std)?;
        Ok(())
    }

    fn point(&self, index: usize, rng: Rng<'_>) -> [f64; 2] {
        let (sin, cos) = (FRAC_PI_4 * (index % 8) as f64).sin_cos();
        blur([self.radius * cos, self.radius * sin], self.std, rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::contract;

    #[test]
    fn keeps_the_contract() {
        let points = contract::check(&EightGaussians::default(), 7.0);
        // The mean squared radius is r² + 2 σ².
        let mean = points
            .iter()
            .map(|p| p[0] * p[0] + p[1] * p[1])
            .sum::<f64>()
            / 4000.0;
        assert!((mean - 25.2).abs() < 0.2, "{mean}");
        assert!(
            EightGaussians {
                radius: 5.0,
                std: -1.0
            }
            .check()
            .is_err()
        );
    }
}
