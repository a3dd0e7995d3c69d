//! Grids of random sizes on random schedules: levels along which the noise falls, or typed errors.

use advect_core::{Error, Result};
use advect_paths::schedule::*;
use advect_samplers::Level;
use advect_samplers::grid::*;
use proptest::prelude::*;

fn number() -> impl Strategy<Value = f64> {
    let special = prop::sample::select(vec![
        0.0,
        -0.0,
        1.0,
        f64::NAN,
        f64::INFINITY,
        f64::MIN_POSITIVE,
        f64::MAX,
    ]);
    prop_oneof![any::<f64>(), 0.0..1.0f64, 0.0..100.0f64, special]
}

fn steps() -> impl Strategy<Value = usize> {
    prop_oneof![
        0..300usize,
        prop::sample::select(vec![1, 2, 1000, usize::MAX])
    ]
}

fn schedules() -> Vec<Box<dyn Schedule>> {
    vec![
        Box::new(CondOt::default()),
        Box::new(VariancePreserving::default()),
        Box::new(VarianceExploding::new(0.01, 50.0).unwrap()),
        Box::new(Cosine),
        Box::new(EdmSchedule::default()),
        Box::new(DiscreteDiffusion::default()),
    ]
}

/// A grid with a number of steps and two settings, if it accepts them.
fn grid(kind: usize, steps: usize, a: f64, b: f64) -> Result<Box<dyn Grid>> {
    Ok(match kind {
        0 => Box::new(UniformTime::new(steps)?),
        1 => Box::new(UniformTime::within(steps, a, b)?),
        2 => Box::new(UniformLogSnr::new(steps)?),
        3 => Box::new(UniformLogSnr::new(steps)?.range(a, b)?),
        4 => Box::new(Karras::new(steps)?.rho(7.0)?.range(a, b)?),
        5 => Box::new(Karras::new(steps)?.rho(a)?),
        6 => Box::new(Shifted::new(steps, a)?),
        7 => Box::new(Respaced::leading(1000, steps)?),
        8 => Box::new(Respaced::quadratic(1000, steps)?),
        9 => Box::new(GivenTimes::new(&[a, b])?),
        10 => Box::new(GivenSigmas::new(&[b, a])?),
        11 => Box::new(Tail::by_strength(UniformTime::new(steps)?, a)?),
        12 => Box::new(Tail::from_time(UniformTime::new(steps)?, a)?),
        _ => Box::new(Tail::from_sigma(Karras::new(steps)?, a)?),
    })
}

/// Levels that are those of the schedule, but for clean data at the end, along which the noise falls or stays.
fn fault(levels: &[Level], schedule: &dyn Schedule) -> Option<String> {
    for (i, level) in levels.iter().enumerate() {
        let clean = i + 1 == levels.len() && level.is_clean();
        let here = Level::at(schedule, level.time);
        let same = (level.alpha - here.alpha).abs() <= 1e-12
            && (level.sigma - here.sigma).abs() <= 1e-12 * here.sigma.max(1.0);
        if !(0.0..=1.0).contains(&level.time) || !(clean || same) {
            return Some(format!("{level:?} of {here:?}"));
        }
    }
    let risen = levels
        .windows(2)
        .find(|pair| pair[0].log_snr > pair[1].log_snr);
    risen.map(|pair| format!("{pair:?}"))
}

proptest! {
    #[test]
    fn levels_fall_or_are_refused(kind in 0..14usize, on in 0..6usize, steps in steps(), a in number(), b in number()) {
        let schedule = &schedules()[on];
        match grid(kind, steps, a, b).and_then(|grid| grid.levels(schedule)) {
            Ok(levels) => {
                prop_assert!(levels.len() >= 2);
                prop_assert_eq!(fault(&levels, schedule), None);
            }
            Err(error) => {
                let typed = matches!(error, Error::Range { .. } | Error::Empty { .. } | Error::Shape { .. } | Error::NonFinite { .. });
                prop_assert!(typed, "{}", error);
            }
        }
    }
}
