//! The variance-exploding diffusion from the data itself (Song et al. 2021, eq. 30, solved from a start without noise),
//! with diffusion time s = 1 − t.

use advect_core::Result;

use super::{Schedule, VarianceExploding};

/// The schedule `α = 1`, `σ² = σ_min² ((σ_max/σ_min)^(2 − 2t) − 1)`: the law at time s = 1 − t of
/// `dx = σ_min r^s √(2 ln r) dw`, `r = σ_max/σ_min`, that starts at the data. No noise is left at t = 1.
///
/// ```
/// use advect_paths::schedule::{Schedule, VarianceExploding, VarianceExplodingSde};
/// let (sde, levels) = (VarianceExplodingSde::default(), VarianceExploding::default());
/// assert_eq!(sde.sigma(1.0), 0.0);
/// assert!((sde.sigma(0.3).powi(2) - (levels.sigma(0.3).powi(2) - 0.01f64.powi(2))).abs() < 1e-12);
/// assert!((sde.diffusion_squared(0.3) - levels.diffusion_squared(0.3)).abs() < 1e-9);
/// ```
#[doc(alias = "VESDE")]
#[doc(alias = "score SDE")]
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct VarianceExplodingSde {
    levels: VarianceExploding,
}

impl VarianceExplodingSde {
    /// Creates a schedule with the diffusion of noise levels from `sigma_min` (at t = 1) to `sigma_max` (at t = 0).
    ///
    /// # Errors
    /// As [`VarianceExploding::new`].
    pub fn new(sigma_min: f64, sigma_max: f64) -> Result<Self> {
        let levels = VarianceExploding::new(sigma_min, sigma_max)?;
        Ok(VarianceExplodingSde { levels })
    }
}

impl Schedule for VarianceExplodingSde {
    fn alpha(&self, _: f64) -> f64 {
        1.0
    }
    fn sigma(&self, t: f64) -> f64 {
        let growth = 2.0 * self.levels.log_ratio() * (1.0 - t);
        self.levels.sigma_min() * growth.exp_m1().sqrt()
    }
    fn d_alpha(&self, _: f64) -> f64 {
        0.0
    }
    fn d_sigma(&self, t: f64) -> f64 {
        self.sigma_d_sigma(t) / self.sigma(t)
    }
    fn sigma_d_sigma(&self, t: f64) -> f64 {
        self.levels.sigma_d_sigma(t)
    }
    fn time_at_log_snr(&self, log_snr: f64) -> f64 {
        // σ²/σ_min² = r^(2 s) − 1.
        let excess = (-log_snr - 2.0 * self.levels.sigma_min().ln()).exp();
        let s = excess.ln_1p() / (2.0 * self.levels.log_ratio());
        (1.0 - s).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::contract;

    #[test]
    fn keeps_the_contract() {
        contract::check(&VarianceExplodingSde::default());
        contract::check(&VarianceExplodingSde::new(1e-3, 80.0).unwrap());
    }
}
