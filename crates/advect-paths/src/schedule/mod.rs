//! Schedules: the coefficients of an affine path `x_t = α(t) x1 + σ(t) x0`.
//!
//! | schedule | α(t) | σ(t) |
//! | --- | --- | --- |
//! | [`CondOt`] | `t` | `1 − (1 − σ_min) t` |
//! | [`VariancePreserving`] | `exp(−½ B(1 − t))` | `√(1 − α²)` |
//! | [`SubVariancePreserving`] | `exp(−½ B(1 − t))` | `1 − α²` |
//! | [`VarianceExploding`] | 1 | `σ_min (σ_max/σ_min)^(1−t)` |
//! | [`VarianceExplodingSde`] | 1 | `σ_min √((σ_max/σ_min)^(2−2t) − 1)` |
//! | [`Cosine`] | `sin(πt/2)` | `cos(πt/2)` |
//! | [`LinearVariancePreserving`] | `t` | `√(1 − t²)` |
//! | [`Polynomial`] | `tⁿ` | `1 − tⁿ` |
//! | [`EdmSchedule`] | 1 | `(σ_max^(1/ρ) + t (σ_min^(1/ρ) − σ_max^(1/ρ)))^ρ` |
//! | [`DiscreteDiffusion`] | `√ᾱ` | `√(1 − ᾱ)` of DDPM's steps |
//! | [`EncodingDecoding`] | `cos²(πt)` in the second half | `cos²(πt)` in the first half |
//! | [`Retimed`] | `α(w(t))` | `σ(w(t))` of another schedule |
//!
//! [`Rescheduled`](crate::Rescheduled) moves a trained field from one schedule to another.

mod cond_ot;
#[cfg(test)]
mod contract;
mod cosine;
mod discrete_diffusion;
mod edm_schedule;
mod encoding_decoding;
mod linear_variance_preserving;
mod polynomial;
mod retimed;
mod sub_variance_preserving;
mod variance_exploding;
mod variance_exploding_sde;
mod variance_preserving;

use advect_core::forward_to;

pub use cond_ot::CondOt;
pub use cosine::Cosine;
pub use discrete_diffusion::DiscreteDiffusion;
pub use edm_schedule::EdmSchedule;
pub use encoding_decoding::EncodingDecoding;
pub use linear_variance_preserving::LinearVariancePreserving;
pub use polynomial::Polynomial;
pub use retimed::Retimed;
pub use sub_variance_preserving::SubVariancePreserving;
pub use variance_exploding::VarianceExploding;
pub use variance_exploding_sde::VarianceExplodingSde;
pub use variance_preserving::VariancePreserving;

/// The coefficients of `x_t = α(t) x1 + σ(t) x0` and their derivatives, for t in [0, 1]: t = 0 is the source (noise,
/// x0) and t = 1 the target (data, x1).
///
/// All are in f64. The values at both ends are limits, which may be infinite but are never NaN. For one time per
/// sample, hand them to [`Time::coefficient`](advect_core::Time::coefficient). The signal-to-noise ratio `α²/σ²` does
/// not fall with t.
///
/// Your own schedule is one impl:
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
/// let log_snr = Quadratic.log_snr(0.5);
/// assert!((log_snr - 2.0 * (0.25f64 / 0.75).ln()).abs() < 1e-15);
/// assert!((Quadratic.time_at_log_snr(log_snr) - 0.5).abs() < 1e-15);
/// ```
#[doc(alias = "noise schedule")]
#[doc(alias = "scheduler")]
pub trait Schedule {
    /// Returns the factor of the data, `α(t)`.
    fn alpha(&self, t: f64) -> f64;
    /// Returns the factor of the noise, `σ(t)`.
    fn sigma(&self, t: f64) -> f64;
    /// Returns the derivative `α'(t)`.
    fn d_alpha(&self, t: f64) -> f64;
    /// Returns the derivative `σ'(t)`.
    fn d_sigma(&self, t: f64) -> f64;

    /// Returns the product `σ σ' = ½ (σ²)'`. Schedules whose σ' is infinite where σ = 0 give its limit there.
    fn sigma_d_sigma(&self, t: f64) -> f64 {
        self.sigma(t) * self.d_sigma(t)
    }

    /// Returns the logarithm of the signal-to-noise ratio, `λ = ln(α² / σ²)`: −∞ where α = 0, ∞ where σ = 0.
    fn log_snr(&self, t: f64) -> f64 {
        2.0 * (self.alpha(t).ln() - self.sigma(t).ln())
    }

    /// Returns the time at which the logarithm of the signal-to-noise ratio is `log_snr`: the inverse of
    /// [`Schedule::log_snr`]. If that value is never reached, it is the nearer end.
    ///
    /// Found by bisection unless the schedule knows its inverse, as all of Advect's do that have one.
    fn time_at_log_snr(&self, log_snr: f64) -> f64 {
        if log_snr >= self.log_snr(1.0) {
            return 1.0;
        }
        let (mut low, mut high) = (0.0, 1.0);
        loop {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high || high < f64::MIN_POSITIVE {
                return if log_snr > self.log_snr(low) {
                    high
                } else {
                    low
                };
            }
            if self.log_snr(middle) < log_snr {
                low = middle;
            } else {
                high = middle;
            }
        }
    }

    /// Returns the number of steps T of a schedule in discrete time, whose networks were trained only at the times
    /// `1 − k/T`, or `None` in continuous time.
    fn trained_steps(&self) -> Option<usize> {
        None
    }

    /// Returns the square of the diffusion coefficient of the linear stochastic equation with these marginals (Song
    /// et al. 2021a; Kingma et al. 2021): with diffusion time s = 1 − t, `dx = −(α'/α) x ds + g dw` and
    /// `g² = 2 (σ² α'/α − σ σ') = σ² dλ/dt`. It is infinite where α = 0.
    fn diffusion_squared(&self, t: f64) -> f64 {
        let (alpha, sigma) = (self.alpha(t), self.sigma(t));
        if alpha == 0.0 {
            return f64::INFINITY;
        }
        // No product with 0 where σ² overflows.
        let drift = match self.d_alpha(t) {
            0.0 => 0.0,
            slope => sigma * sigma * slope / alpha,
        };
        2.0 * (drift - self.sigma_d_sigma(t))
    }
}

forward_to!([] Schedule {
    fn alpha(&self, t: f64) -> f64;
    fn sigma(&self, t: f64) -> f64;
    fn d_alpha(&self, t: f64) -> f64;
    fn d_sigma(&self, t: f64) -> f64;
    fn sigma_d_sigma(&self, t: f64) -> f64;
    fn log_snr(&self, t: f64) -> f64;
    fn time_at_log_snr(&self, log_snr: f64) -> f64;
    fn trained_steps(&self) -> Option<usize>;
    fn diffusion_squared(&self, t: f64) -> f64;
});
