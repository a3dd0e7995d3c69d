//! Averages of a width that nobody kept, from those that were (Karras et al. 2024, section 3).

use advect_core::testing::device;
use advect_core::{Generator, Key};
use advect_nn::State;
use advect_train::decay::{Decay, PowerFunction};
use candle_core::{DType, Tensor};

const STEPS: usize = 2000;
const SIZE: usize = 64;

/// A walk at random, as parameters make it, with the average of a width after each step.
fn averages(power: PowerFunction, walk: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut average = vec![0.0; SIZE];
    let mut all = Vec::new();
    for (step, now) in walk.iter().enumerate() {
        let decay = power.at(step);
        for (mean, x) in average.iter_mut().zip(now) {
            *mean = decay * *mean + (1.0 - decay) * x;
        }
        all.push(average.clone());
    }
    all
}

#[test]
fn averages_of_other_widths_are_those_that_a_run_would_have_kept() {
    let mut rng = Generator::from(Key::from_seed(0));
    let steps = rng.normal((STEPS, SIZE), DType::F64, device()).unwrap();
    let mut walk = steps.to_vec2::<f64>().unwrap();
    for i in 1..STEPS {
        let (before, now) = walk.split_at_mut(i);
        for (x, before) in now[0].iter_mut().zip(&before[i - 1]) {
            *x += before;
        }
    }
    let state = |values: &[f64]| -> State {
        [("w".to_string(), Tensor::new(values, device()).unwrap())].into()
    };
    // As in the paper, two widths are kept at intervals.
    let mut stored = Vec::new();
    for width in [0.05, 0.1] {
        let power = PowerFunction::new(width).unwrap();
        let averages = averages(power, &walk);
        for steps in (STEPS / 8..=STEPS).step_by(STEPS / 8) {
            stored.push((power, steps, state(&averages[steps - 1])));
        }
    }
    let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    // The last number of steps is none at which averages were stored.
    for (width, steps, bound) in [
        (0.06, STEPS, 0.003),
        (0.075, STEPS, 0.003),
        (0.15, STEPS, 0.01),
        (0.075, STEPS - 125, 0.05),
    ] {
        let power = PowerFunction::new(width).unwrap();
        let kept = &averages(power, &walk)[steps - 1];
        let found = power.combine(steps, &stored).unwrap()["w"]
            .to_vec1::<f64>()
            .unwrap();
        let away = |other: &[f64]| {
            let difference: Vec<f64> = kept.iter().zip(other).map(|(a, b)| a - b).collect();
            norm(&difference) / norm(kept)
        };
        // The nearest of the stored ones is much farther.
        let nearest = stored
            .iter()
            .map(|(_, _, state)| away(&state["w"].to_vec1::<f64>().unwrap()));
        let nearest = nearest.fold(f64::INFINITY, f64::min);
        let found = away(&found);
        println!("{width} {steps}: {found:.1e}, the nearest stored one {nearest:.1e}");
        assert!(found < bound && found < 0.3 * nearest);
    }
}
