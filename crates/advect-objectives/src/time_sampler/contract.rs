//! The properties of every time sampler; each sampler's tests call it.

use advect_core::{Error, Generator};

use super::{TimeDensity, TimeSampler};

/// [`check`], and that the density is the derivative of the distribution function.
pub(crate) fn check_density(sampler: &impl TimeDensity, distribution: impl Fn(f64) -> f64) {
    check(sampler, &distribution);
    for k in 1..50 {
        let t = f64::from(k) / 50.0;
        let h = 1e-3 * t.min(1.0 - t);
        let slope = advect_core::testing::derivative(&distribution, t, h);
        let density = sampler.density(t);
        assert!(
            (density - slope).abs() < 1e-6 * (1.0 + slope),
            "p({t}) = {density}, {slope}"
        );
    }
}

/// Checks the count, the range, reproducibility, and the law by the Kolmogorov–Smirnov distance to a
/// given distribution function.
pub(crate) fn check(sampler: &impl TimeSampler, distribution: impl Fn(f64) -> f64) {
    for batch in [1, 2, 67] {
        let times = sampler.sample(batch, &mut Generator::from_seed(0)).unwrap();
        assert_eq!(times.len(), batch);
        assert_eq!(
            times,
            sampler.sample(batch, &mut Generator::from_seed(0)).unwrap()
        );
    }
    for batch in [1 << 60, usize::MAX] {
        let error = sampler
            .sample(batch, &mut Generator::from_seed(0))
            .unwrap_err();
        assert!(matches!(error, Error::Range { .. }));
    }
    let mut rng = Generator::from_seed(1);
    let mut times: Vec<f64> = (0..100)
        .flat_map(|_| sampler.sample(100, &mut rng).unwrap())
        .collect();
    assert!(times.iter().all(|t| (0.0..=1.0).contains(t)));
    times.sort_by(f64::total_cmp);
    let n = times.len() as f64;
    let distance = (times.iter().enumerate())
        .map(|(i, &t)| (distribution(t) - (i as f64 + 0.5) / n).abs())
        .fold(0.0, f64::max);
    // The 0.1 % point of the Kolmogorov distribution.
    assert!(distance < 1.95 / n.sqrt(), "KS distance {distance}");
}
