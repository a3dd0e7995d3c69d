//! Schedules: the coefficients of an affine path `x_t = α(t) x1 + σ(t) x0`.
//!
//! | schedule | α(t) | σ(t) |
//! | --- | --- | --- |
//! | [`CondOt`] | `t` | `1 − (1 − σ_min) t` |
//! | [`VariancePreserving`] | `exp(−½ B(1 − t))` | `√(1 − α²)` |
//! | [`Cosine`] | `sin(πt/2)` | `cos(πt/2)` |

mod cond_ot;
#[cfg(test)]
mod contract;
mod cosine;
mod variance_preserving;

pub use cond_ot::CondOt;
pub use cosine::Cosine;
pub use variance_preserving::VariancePreserving;

/// The coefficients of `x_t = α(t) x1 + σ(t) x0` and their derivatives, for t in [0, 1], where t = 0
/// is the source (noise, x0) and t = 1 the target (data, x1).
///
/// All four are in f64 and, at both ends, are limits: possibly infinite, never NaN. A schedule of
/// one's own is one impl:
///
/// ```
/// use advect_paths::schedule::Schedule;
///
/// /// `α = t²`, `σ = 1 − t²`.
/// struct Quadratic;
///
/// impl Schedule for Quadratic {
///     fn alpha(&self, t: f64) -> f64 { t * t }
///     fn sigma(&self, t: f64) -> f64 { 1.0 - t * t }
///     fn d_alpha(&self, t: f64) -> f64 { 2.0 * t }
///     fn d_sigma(&self, t: f64) -> f64 { -2.0 * t }
/// }
/// assert!((Quadratic.log_snr(0.5) - 2.0 * (0.25f64 / 0.75).ln()).abs() < 1e-15);
/// ```
pub trait Schedule {
    /// The factor of the data, `α(t)`.
    fn alpha(&self, t: f64) -> f64;
    /// The factor of the noise, `σ(t)`.
    fn sigma(&self, t: f64) -> f64;
    /// The derivative `α'(t)`.
    fn d_alpha(&self, t: f64) -> f64;
    /// The derivative `σ'(t)`.
    fn d_sigma(&self, t: f64) -> f64;

    /// The product `σ σ' = ½ (σ²)'`: schedules whose σ' is infinite where σ = 0 give its limit there.
    fn sigma_d_sigma(&self, t: f64) -> f64 {
        self.sigma(t) * self.d_sigma(t)
    }

    /// The logarithm of the signal-to-noise ratio, `ln(α² / σ²)`: −∞ where α = 0, ∞ where σ = 0.
    fn log_snr(&self, t: f64) -> f64 {
        2.0 * (self.alpha(t).ln() - self.sigma(t).ln())
    }
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<S: Schedule + ?Sized> Schedule for $pointer {
            fn alpha(&self, t: f64) -> f64 {
                (**self).alpha(t)
            }
            fn sigma(&self, t: f64) -> f64 {
                (**self).sigma(t)
            }
            fn d_alpha(&self, t: f64) -> f64 {
                (**self).d_alpha(t)
            }
            fn d_sigma(&self, t: f64) -> f64 {
                (**self).d_sigma(t)
            }
            fn sigma_d_sigma(&self, t: f64) -> f64 {
                (**self).sigma_d_sigma(t)
            }
            fn log_snr(&self, t: f64) -> f64 {
                (**self).log_snr(t)
            }
        }
    )*};
}
forward!(&S, Box<S>);
