//! The sub-variance-preserving diffusion (Song et al. 2021, eq. 12 and 34), with diffusion time s = 1 − t.

use advect_core::Result;

use super::{Schedule, VariancePreserving};

/// The schedule `α = exp(−½ B(1 − t))`, `σ = 1 − α²`, with the B of [`VariancePreserving`] and a smaller variance.
///
/// ```
/// use advect_paths::schedule::{Schedule, SubVariancePreserving, VariancePreserving};
/// let (sub, vp) = (SubVariancePreserving::default(), VariancePreserving::default());
/// assert_eq!(sub.alpha(0.7), vp.alpha(0.7));
/// assert!((sub.sigma(0.7) - vp.sigma(0.7).powi(2)).abs() < 1e-15);
/// ```
#[doc(alias = "sub-VP")]
#[doc(alias = "subVPSDE")]
#[doc(alias = "score SDE")]
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SubVariancePreserving {
    mean: VariancePreserving,
}

impl SubVariancePreserving {
    /// Creates a schedule with noise rates from `beta_min` (at the data) to `beta_max` (at the noise).
    ///
    /// # Errors
    /// As [`VariancePreserving::new`].
    pub fn new(beta_min: f64, beta_max: f64) -> Result<Self> {
        let mean = VariancePreserving::new(beta_min, beta_max)?;
        Ok(SubVariancePreserving { mean })
    }
}

impl Schedule for SubVariancePreserving {
    fn alpha(&self, t: f64) -> f64 {
        self.mean.alpha(t)
    }
    fn sigma(&self, t: f64) -> f64 {
        -(-self.mean.integral(t)).exp_m1()
    }
    fn d_alpha(&self, t: f64) -> f64 {
        self.mean.d_alpha(t)
    }
    fn d_sigma(&self, t: f64) -> f64 {
        -2.0 * self.alpha(t) * self.d_alpha(t)
    }
    fn time_at_log_snr(&self, log_snr: f64) -> f64 {
        // With q = σ/α, α² + q α − 1 = 0.
        let q = (-0.5 * log_snr).exp();
        let alpha = 2.0 / (q + q.hypot(2.0));
        // α² = 1 − q α; the second form is exact where α is near 1.
        let b = if q < 0.5 {
            -(-q * alpha).ln_1p()
        } else {
            -2.0 * alpha.ln()
        };
        self.mean.time_at_integral(b)
    }
    fn diffusion_squared(&self, t: f64) -> f64 {
        // β (1 − exp(−2 B)).
        -self.mean.rate(t) * (-2.0 * self.mean.integral(t)).exp_m1()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::contract;

    #[test]
    fn keeps_the_contract() {
        contract::check(&SubVariancePreserving::default());
        contract::check(&SubVariancePreserving::new(8.0, 9.0).unwrap());
    }
}
