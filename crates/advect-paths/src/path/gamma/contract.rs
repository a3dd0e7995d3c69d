//! The properties of every γ.

use advect_core::testing::derivative;

use super::Gamma;

/// Checks the sign, the derivative and its product, and that nothing is NaN at the ends.
pub(crate) fn check(gamma: &impl Gamma) {
    for k in 1..100 {
        let t = f64::from(k) / 100.0;
        assert!(gamma.gamma(t) >= 0.0, "γ({t})");
        let numeric = derivative(|t| gamma.gamma(t), t, 1e-3 * t.min(1.0 - t));
        let ours = gamma.d_gamma(t);
        assert!(
            (ours - numeric).abs() <= 1e-8 * (1.0 + numeric.abs()),
            "γ'({t}) = {ours}, {numeric}"
        );
    }
    for t in [0.0f64, 1e-9, 0.3, 1.0 - 1e-9, 1.0] {
        let inside = t.clamp(1e-9, 1.0 - 1e-9);
        let product = gamma.gamma(inside) * gamma.d_gamma(inside);
        assert!(
            (gamma.gamma_d_gamma(t) - product).abs() <= 1e-7,
            "γ γ' at {t}"
        );
    }
    for t in [0.0, 1.0] {
        assert!(gamma.gamma(t).is_finite() && !gamma.d_gamma(t).is_nan());
    }
}
