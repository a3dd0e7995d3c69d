//! A pinwheel (Johnson et al. 2016, Composing graphical models with neural networks).

use std::f64::consts::TAU;

use advect_core::{Error, Result, check};

use super::{Rng, Toy, normal};

/// A pinwheel of `arms` arms: a point `(1 + radial_std · z₁, tangential_std · z₂)` is turned by its arm's angle plus
/// `rate · exp(1 + radial_std · z₁)`, which bends the arm, and scaled by 2.
///
/// ```
/// use advect_data::toy::Pinwheel;
/// assert_eq!(Pinwheel::default().arms, 5);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pinwheel {
    /// The number of arms; 5 by default.
    pub arms: usize,
    /// The standard deviation along an arm; 0.3 by default.
    pub radial_std: f64,
    /// The standard deviation across an arm; 0.1 by default.
    pub tangential_std: f64,
    /// The strength with which arms bend; 0.25 by default.
    pub rate: f64,
}

impl Default for Pinwheel {
    fn default() -> Self {
        Pinwheel {
            arms: 5,
            radial_std: 0.3,
            tangential_std: 0.1,
            rate: 0.25,
        }
    }
}

impl Toy for Pinwheel {
    fn check(&self) -> Result<()> {
        check::at_least_one("arms", self.arms)?;
        check::non_negative("radial_std", self.radial_std)?;
        check::non_negative("tangential_std", self.tangential_std)?;
        match self.rate.is_finite() {
            true => Ok(()),
            false => Err(Error::range("rate", self.rate, "a finite number")),
        }
    }

    fn point(&self, index: usize, rng: Rng<'_>) -> [f64; 2] {
        let along = 1.0 + self.radial_std * normal(rng);
        let across = self.tangential_std * normal(rng);
        let arm = TAU * (index % self.arms.max(1)) as f64 / self.arms as f64;
        let (sin, cos) = (arm + self.rate * along.exp()).sin_cos();
        [
            2.0 * (along * cos - across * sin),
            2.0 * (along * sin + across * cos),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::contract;

    #[test]
    fn keeps_the_contract() {
        let points = contract::check(&Pinwheel::default(), 4.6);
        // Turning keeps the radius: E r² = 4 (1 + 0.3² + 0.1²).
        let mean = points
            .iter()
            .map(|p| p[0] * p[0] + p[1] * p[1])
            .sum::<f64>()
            / 4000.0;
        assert!((mean - 4.4).abs() < 0.15, "{mean}");
        assert!(
            Pinwheel {
                arms: 0,
                ..Pinwheel::default()
            }
            .check()
            .is_err()
        );
    }
}
