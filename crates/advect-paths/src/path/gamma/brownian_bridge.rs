//! The noise of a Brownian bridge.

use advect_core::{Result, check};

use super::Gamma;

/// The noise `γ = √(a t (1 − t))`: the standard deviation of a Brownian bridge of diffusion `√a`; Albergo, Boffi and
/// Vanden-Eijnden 2023 take a = 2. Its slope is infinite at both ends.
///
/// ```
/// use advect_paths::path::gamma::{BrownianBridge, Gamma};
/// # fn main() -> advect_core::Result<()> {
/// assert_eq!(BrownianBridge::new(4.0)?.gamma(0.5), 1.0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BrownianBridge {
    a: f64,
}

impl BrownianBridge {
    /// Creates a γ from the variance a of the Brownian motion at time 1.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless it is finite and above 0.
    pub fn new(a: f64) -> Result<Self> {
        let a = check::positive("a", a)?;
        Ok(BrownianBridge { a })
    }
}

impl Gamma for BrownianBridge {
    fn gamma(&self, t: f64) -> f64 {
        (self.a * t * (1.0 - t)).sqrt()
    }
    fn d_gamma(&self, t: f64) -> f64 {
        self.gamma_d_gamma(t) / self.gamma(t)
    }
    fn gamma_d_gamma(&self, t: f64) -> f64 {
        0.5 * self.a * (1.0 - 2.0 * t)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::gamma::contract;

    #[test]
    fn keeps_the_contract() {
        contract::check(&BrownianBridge::new(2.0).unwrap());
        assert!(BrownianBridge::new(0.0).is_err());
    }
}
