//! Schedules and predictions at random settings and times: numbers of their range, inverses, or typed errors.

use advect_core::testing::device;
use advect_core::{Error, Time};
use advect_paths::Prediction;
use advect_paths::schedule::*;
use candle_core::Tensor;
use proptest::prelude::*;

/// Any number, with those that matter more often.
fn number() -> impl Strategy<Value = f64> {
    let special = prop::sample::select(vec![
        0.0,
        -0.0,
        1.0,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MIN_POSITIVE,
        f64::MAX,
    ]);
    prop_oneof![any::<f64>(), 0.0..1.0f64, 0.0..100.0f64, special]
}

/// A schedule with two settings, if it accepts them.
fn schedule(kind: usize, a: f64, b: f64) -> advect_core::Result<Box<dyn Schedule>> {
    Ok(match kind {
        0 => Box::new(CondOt::new(a)?),
        1 => Box::new(VariancePreserving::new(a, b)?),
        2 => Box::new(SubVariancePreserving::new(a, b)?),
        3 => Box::new(VarianceExploding::new(a, b)?),
        4 => Box::new(VarianceExplodingSde::new(a, b)?),
        5 => Box::new(Polynomial::new(a)?),
        6 => Box::new(EdmSchedule::new(a, b, 7.0)?),
        7 => Box::new(Cosine),
        _ => Box::new(LinearVariancePreserving),
    })
}

const KINDS: usize = 9;
const PREDICTIONS: [Prediction; 5] = [
    Prediction::Velocity,
    Prediction::Score,
    Prediction::Noise,
    Prediction::Data,
    Prediction::V,
];

proptest! {
    #[test]
    fn settings_are_accepted_or_refused(kind in 0..KINDS, a in number(), b in number(), t in 0.0..=1.0f64) {
        match schedule(kind, a, b) {
            Ok(schedule) => {
                let (alpha, sigma) = (schedule.alpha(t), schedule.sigma(t));
                prop_assert!(alpha.is_finite() && alpha >= 0.0, "α = {alpha}");
                prop_assert!(sigma.is_finite() && sigma >= 0.0, "σ = {sigma}");
                for slope in [schedule.d_alpha(t), schedule.d_sigma(t), schedule.sigma_d_sigma(t), schedule.diffusion_squared(t)] {
                    prop_assert!(!slope.is_nan());
                }
            }
            Err(error) => prop_assert!(matches!(error, Error::Range { .. }), "{error}"),
        }
    }

    #[test]
    fn the_signal_rises_and_its_time_is_found(kind in 0..KINDS, a in 0.001..0.9f64, more in 1.5..40.0f64, s in 0.001..0.999f64, t in 0.001..0.999f64) {
        let schedule = schedule(kind, a, a * more).unwrap();
        let (early, late) = (s.min(t), s.max(t));
        prop_assert!(schedule.log_snr(early) <= schedule.log_snr(late));
        let log_snr = schedule.log_snr(t);
        let found = schedule.time_at_log_snr(log_snr);
        prop_assert!((0.0..=1.0).contains(&found));
        prop_assert!((schedule.log_snr(found) - log_snr).abs() <= 1e-6 * (1.0 + log_snr.abs()), "{t} {found}");
    }

    #[test]
    fn conversions_go_back(kind in 0..KINDS, from in 0..5usize, to in 0..5usize, t in 0.02..0.98f64, x in -3.0..3.0f64, value in -3.0..3.0f64) {
        let schedule = schedule(kind, 0.1, 5.0).unwrap();
        let (from, to) = (PREDICTIONS[from], PREDICTIONS[to]);
        let tensor = |v: f64| Tensor::new(&[v], device()).unwrap();
        let time = Time::Shared(t);
        let number = |x: &Tensor| x.to_vec1::<f64>().unwrap()[0];
        if let Ok(there) = from.convert(to, &schedule, &time, &tensor(x), &tensor(value)) {
            prop_assert!(number(&there).is_finite());
            let back = to.convert(from, &schedule, &time, &tensor(x), &there).map(|back| number(&back));
            let back = back.unwrap_or(f64::NAN);
            prop_assert!((back - value).abs() < 1e-6 * (1.0 + number(&there).abs()), "{from:?} {to:?}: {value} {back}");
        }
    }

    #[test]
    fn times_beyond_the_path_are_refused(kind in 0..KINDS, t in number(), from in 0..5usize, to in 0..5usize) {
        let schedule = schedule(kind, 0.1, 5.0).unwrap();
        if let Ok(factors) = PREDICTIONS[from].factors(PREDICTIONS[to], &schedule, t) {
            prop_assert!((-1e-9..=1.0 + 1e-9).contains(&t));
            prop_assert!(factors.iter().all(|f| f.is_finite()));
        }
    }
}
