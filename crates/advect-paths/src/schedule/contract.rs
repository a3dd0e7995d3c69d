//! The properties of every schedule; each schedule's tests call it.

use advect_core::testing::derivative;

use super::Schedule;

/// Checks a schedule at 99 times: see [`check_at`].
pub(crate) fn check(schedule: &impl Schedule) {
    check_at(schedule, (1..100).map(|k| f64::from(k) / 100.0), 1e-3);
}

/// Checks derivatives against finite differences of relative width `width`, the ends, that the signal-to-noise ratio
/// grows (where it is finite), its inverse, and the diffusion that belongs to it.
pub(crate) fn check_at(
    schedule: &impl Schedule,
    times: impl Iterator<Item = f64> + Clone,
    width: f64,
) {
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-7 * (1.0 + b.abs());
    let mut before = f64::NEG_INFINITY;
    for t in times {
        let h = width * t.min(1.0 - t);
        let numeric = derivative(|t| schedule.alpha(t), t, h);
        let ours = schedule.d_alpha(t);
        assert!(close(ours, numeric), "α'({t}) = {ours}, {numeric}");
        let numeric = derivative(|t| schedule.sigma(t), t, h);
        let ours = schedule.d_sigma(t);
        assert!(close(ours, numeric), "σ'({t}) = {ours}, {numeric}");
        let sigma = schedule.sigma(t);
        let product = sigma * schedule.d_sigma(t);
        assert!(close(schedule.sigma_d_sigma(t), product), "σ σ' at {t}");

        let log_snr = schedule.log_snr(t);
        assert!(
            close(
                log_snr,
                2.0 * (schedule.alpha(t).ln() - sigma.ln()).clamp(-1e300, 1e300)
            ) || log_snr.is_infinite()
        );
        assert!(log_snr >= before, "log-SNR at {t}");
        if log_snr.is_finite() {
            assert!(log_snr > before, "log-SNR at {t}");
            let back = schedule.time_at_log_snr(log_snr);
            assert!((back - t).abs() < 1e-9, "{back} for {t}");
            let numeric = sigma * sigma * derivative(|t| schedule.log_snr(t), t, h);
            let ours = schedule.diffusion_squared(t);
            assert!(close(ours, numeric), "g²({t}) = {ours}, {numeric}");
        }
        before = log_snr;
    }
    for t in [0.0, 1.0] {
        assert!(schedule.alpha(t).is_finite() && schedule.sigma(t).is_finite());
        assert!(
            !schedule.d_alpha(t).is_nan() && !schedule.d_sigma(t).is_nan(),
            "at {t}"
        );
        assert!(schedule.sigma_d_sigma(t).is_finite(), "σ σ' at {t}");
        assert!(!schedule.log_snr(t).is_nan(), "log-SNR at {t}");
        assert!(!schedule.diffusion_squared(t).is_nan(), "g² at {t}");
        assert!(schedule.diffusion_squared(t) >= 0.0, "g² at {t}");
    }
    assert!(schedule.log_snr(0.0) < -4.0, "the source is noise");
    assert!(
        (schedule.alpha(1.0) - 1.0).abs() < 1e-12,
        "the target is the data"
    );
    if schedule.log_snr(0.5).is_finite() {
        assert_eq!(schedule.time_at_log_snr(f64::NEG_INFINITY), 0.0);
        assert_eq!(schedule.time_at_log_snr(f64::INFINITY), 1.0);
    }
}
