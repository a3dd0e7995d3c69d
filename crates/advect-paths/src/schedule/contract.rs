//! What holds for every schedule; each schedule's tests call it.

use advect_core::testing::derivative;

use super::Schedule;

/// Checks derivatives against finite differences, the ends, and that the signal-to-noise ratio grows.
pub(crate) fn check(schedule: &impl Schedule) {
    for k in 1..100 {
        let t = f64::from(k) / 100.0;
        let h = 1e-3 * t.min(1.0 - t);
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-7 * (1.0 + b.abs());
        let numeric = derivative(|t| schedule.alpha(t), t, h);
        assert!(
            close(schedule.d_alpha(t), numeric),
            "α'({t}) = {}, {numeric}",
            schedule.d_alpha(t)
        );
        let numeric = derivative(|t| schedule.sigma(t), t, h);
        assert!(
            close(schedule.d_sigma(t), numeric),
            "σ'({t}) = {}, {numeric}",
            schedule.d_sigma(t)
        );
        let product = schedule.sigma(t) * schedule.d_sigma(t);
        assert!(close(schedule.sigma_d_sigma(t), product), "σ σ' at {t}");
        assert!(
            schedule.log_snr(t) > schedule.log_snr(t - 0.01),
            "log-SNR at {t}"
        );
    }
    for t in [0.0, 1.0] {
        assert!(schedule.alpha(t).is_finite() && schedule.sigma(t).is_finite());
        assert!(
            !schedule.d_alpha(t).is_nan() && !schedule.d_sigma(t).is_nan(),
            "at {t}"
        );
        assert!(schedule.sigma_d_sigma(t).is_finite(), "σ σ' at {t}");
        assert!(!schedule.log_snr(t).is_nan(), "log-SNR at {t}");
    }
    assert!(
        (schedule.sigma(0.0) - 1.0).abs() < 1e-3,
        "the source is unit noise"
    );
    assert!(
        (schedule.alpha(1.0) - 1.0).abs() < 1e-12,
        "the target is the data"
    );
}
