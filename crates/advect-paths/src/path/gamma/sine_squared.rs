//! Noise that begins and ends smoothly.

use std::f64::consts::PI;

use super::Gamma;

/// The noise `γ = sin²(πt)` of the encoding–decoding interpolant.
///
/// ```
/// use advect_paths::path::gamma::{Gamma, SineSquared};
/// assert_eq!(SineSquared.gamma(0.5), 1.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SineSquared;

impl Gamma for SineSquared {
    fn gamma(&self, t: f64) -> f64 {
        // sin π is not quite 0.
        (PI * t.min(1.0 - t)).sin().powi(2)
    }
    fn d_gamma(&self, t: f64) -> f64 {
        PI * (2.0 * PI * t).sin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::gamma::contract;

    #[test]
    fn keeps_the_contract() {
        contract::check(&SineSquared);
        assert_eq!((SineSquared.gamma(0.0), SineSquared.gamma(1.0)), (0.0, 0.0));
    }
}
