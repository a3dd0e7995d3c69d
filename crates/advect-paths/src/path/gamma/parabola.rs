//! Noise that grows and falls evenly.

use super::Gamma;

/// The noise `γ = t (1 − t)`, whose slope is finite at both ends.
///
/// ```
/// use advect_paths::path::gamma::{Gamma, Parabola};
/// assert_eq!((Parabola.gamma(0.5), Parabola.d_gamma(0.0)), (0.25, 1.0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parabola;

impl Gamma for Parabola {
    fn gamma(&self, t: f64) -> f64 {
        t * (1.0 - t)
    }
    fn d_gamma(&self, t: f64) -> f64 {
        1.0 - 2.0 * t
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::gamma::contract;

    #[test]
    fn keeps_the_contract() {
        contract::check(&Parabola);
    }
}
