//! The noise of stochastic interpolants: the factor γ of z (Albergo, Boffi and Vanden-Eijnden 2023, section 4).
//!
//! | noise | γ(t) |
//! | --- | --- |
//! | [`BrownianBridge`] | `√(a t (1 − t))` |
//! | [`Parabola`] | `t (1 − t)` |
//! | [`SineSquared`] | `sin²(πt)` |
//! | [`Constant`] | σ |
//!
//! [`GammaSchedule`] is a γ as a schedule.

mod brownian_bridge;
mod constant;
#[cfg(test)]
mod contract;
mod gamma_schedule;
mod parabola;
mod sine_squared;

use advect_core::forward_to;

pub use brownian_bridge::BrownianBridge;
pub use constant::Constant;
pub use gamma_schedule::GammaSchedule;
pub use parabola::Parabola;
pub use sine_squared::SineSquared;

/// The factor of the noise and its derivative, for t in [0, 1]. The values at the ends are limits, which may be infinite.
///
/// ```
/// use advect_paths::path::gamma::Gamma;
///
/// /// `γ = t (1 − t)²`: the noise is early.
/// struct Early;
/// impl Gamma for Early {
///     fn gamma(&self, t: f64) -> f64 { t * (1.0 - t).powi(2) }
///     fn d_gamma(&self, t: f64) -> f64 { (1.0 - t) * (1.0 - 3.0 * t) }
/// }
/// assert_eq!(Early.gamma(0.5), 0.125);
/// ```
pub trait Gamma {
    /// Returns `γ(t)`, which is not negative.
    fn gamma(&self, t: f64) -> f64;
    /// Returns the derivative `γ'(t)`.
    fn d_gamma(&self, t: f64) -> f64;

    /// Returns the product `γ γ' = ½ (γ²)'`. A γ whose slope is infinite where γ = 0 gives its limit there.
    fn gamma_d_gamma(&self, t: f64) -> f64 {
        self.gamma(t) * self.d_gamma(t)
    }
}

forward_to!([] Gamma {
    fn gamma(&self, t: f64) -> f64;
    fn d_gamma(&self, t: f64) -> f64;
    fn gamma_d_gamma(&self, t: f64) -> f64;
});
