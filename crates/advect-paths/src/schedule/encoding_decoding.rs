//! The encoding–decoding interpolant (Albergo, Boffi and Vanden-Eijnden 2023, section 4).

use std::f64::consts::PI;

use super::Schedule;

/// The schedule `σ = cos²(πt)`, `α = 0` up to t = ½, and `α = cos²(πt)`, `σ = 0` from there on. The source turns into
/// pure noise of the path, and that noise into data. It is meant for an [`Interpolant`](crate::path::Interpolant)
/// with a γ that does not vanish at ½, such as `sin²(πt)`.
///
/// Alone it is no way from noise to data: its signal-to-noise ratio is 0 in the first half, infinite in the second.
///
/// ```
/// use advect_paths::schedule::{EncodingDecoding, Schedule};
/// assert_eq!((EncodingDecoding.alpha(0.0), EncodingDecoding.sigma(0.0)), (0.0, 1.0));
/// assert_eq!((EncodingDecoding.alpha(1.0), EncodingDecoding.sigma(1.0)), (1.0, 0.0));
/// assert!(EncodingDecoding.alpha(0.5) < 1e-30 && EncodingDecoding.sigma(0.5) < 1e-30);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EncodingDecoding;

/// cos²(πt) and its derivative.
fn bump(t: f64) -> (f64, f64) {
    ((PI * t).cos().powi(2), -PI * (2.0 * PI * t).sin())
}

impl Schedule for EncodingDecoding {
    fn alpha(&self, t: f64) -> f64 {
        if t < 0.5 { 0.0 } else { bump(t).0 }
    }
    fn sigma(&self, t: f64) -> f64 {
        if t < 0.5 { bump(t).0 } else { 0.0 }
    }
    fn d_alpha(&self, t: f64) -> f64 {
        if t < 0.5 { 0.0 } else { bump(t).1 }
    }
    fn d_sigma(&self, t: f64) -> f64 {
        if t < 0.5 { bump(t).1 } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::contract;

    #[test]
    fn keeps_the_contract() {
        // The second derivative jumps in the middle.
        let times = (0..100).map(|k| (f64::from(k) + 0.5) / 100.0);
        contract::check_at(&EncodingDecoding, times, 1e-3);
    }
}
