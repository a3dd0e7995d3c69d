//! Straightness and transport costs: flows whose numbers are known, orders of convergence, and what doesn't fit.

use std::f64::consts::PI;

use advect_core::testing::device;
use advect_core::{Error, Field, Generator, Result, field_fn};
use advect_metrics::*;
use candle_core::{DType, Tensor};

fn noise(shape: (usize, usize), dtype: DType) -> Tensor {
    let mut rng = Generator::from_seed(1);
    rng.normal(shape, dtype, device()).unwrap()
}

/// `n + 1` times from 0 to 1 that are not at equal distances.
fn times(n: usize) -> Vec<f64> {
    let uneven = |s: f64| s + 0.1 * (2.0 * PI * s).sin() / (2.0 * PI);
    (0..=n).map(|k| uneven(k as f64 / n as f64)).collect()
}

/// Points of the plane, turned by an angle.
fn turned(x: &Tensor, angle: f64) -> Tensor {
    let (sin, cos) = angle.sin_cos();
    let matrix = Tensor::new(&[[cos, sin], [-sin, cos]], device()).unwrap();
    x.matmul(&matrix.to_dtype(x.dtype()).unwrap()).unwrap()
}

/// The velocity of a rotation by `angle` in a unit of time.
fn rotation(angle: f64) -> impl Field {
    field_fn(move |_, x: &Tensor| Ok((turned(x, PI / 2.0) * angle)?))
}

fn squared_norm(way: &[f64]) -> f64 {
    way.iter().map(|w| w * w).sum()
}

fn close(a: f64, b: f64, tolerance: f64) {
    assert!((a / b - 1.0).abs() <= tolerance, "{a} {b}");
}

#[test]
fn lines_of_constant_speed_are_straight() {
    let way = noise((7, 3), DType::F64);
    let times = [0.0, 0.25, 0.5, 1.0];
    let states = times.map(|t| (&way * t).unwrap());
    let field = field_fn(|_, _: &Tensor| Ok(way.clone()));
    for found in [
        straightness(&times, &states).unwrap(),
        field_straightness(&field, &times, &states).unwrap(),
    ] {
        assert_eq!((found.mean, found.standard_error), (0.0, Some(0.0)));
    }
    // From 2 to 4, a line whose speed is not constant: x = (s² − 1) w with s = t − 1 from 1 to 3, ∫ (2s − 4)² ds = 8/3.
    let times = [2.0, 2.5, 4.0];
    let states = times.map(|t: f64| (&way * ((t - 1.0).powi(2) - 1.0)).unwrap());
    let field = field_fn(|t, _: &Tensor| t.coefficient(|t| 2.0 * (t - 1.0))?.times(&way));
    let found = field_straightness(&field, &times, &states).unwrap();
    let squares = transport_cost(&states[0], &way, squared_norm).unwrap();
    close(found.mean, 8.0 / 3.0 * squares.mean, 1e-14);
    let error = squares.standard_error.unwrap();
    close(found.standard_error.unwrap(), 8.0 / 3.0 * error, 1e-13);
}

/// A rotation by ω has `S = (ω² − 4 sin²(ω/2)) E|x|²`: it is found with the second order of the distance between times, and with
/// the fourth by the field.
#[test]
fn rotations_have_their_straightness() {
    let (x, angle) = (noise((50, 2), DType::F64), 2.5f64);
    let radius = transport_cost(&x.zeros_like().unwrap(), &x, squared_norm).unwrap();
    let expected = (angle.powi(2) - 4.0 * (angle / 2.0).sin().powi(2)) * radius.mean;
    type Measure<'a> = &'a dyn Fn(&[f64], &[Tensor]) -> Result<SampleMean>;
    let errors = |measure: Measure<'_>| {
        [8, 16].map(|n| {
            let times = times(n);
            let states: Vec<Tensor> = times.iter().map(|t| turned(&x, angle * t)).collect();
            let found = measure(&times, &states).unwrap();
            let relative = radius.standard_error.unwrap() / radius.mean;
            close(found.standard_error.unwrap() / found.mean, relative, 1e-9);
            (found.mean / expected - 1.0).abs()
        })
    };
    let by_states = errors(&straightness);
    let by_field = errors(&|times, states| field_straightness(&rotation(angle), times, states));
    for ([coarse, fine], order) in [(by_states, 2.0), (by_field, 4.0)] {
        let found = (coarse / fine).log2();
        assert!((found - order).abs() < 0.1, "{found} {coarse} {fine}");
    }
    assert!(
        by_states[0] < 0.04 && by_field[0] < 1e-4,
        "{by_states:?} {by_field:?}"
    );
}

/// Energy is what the ends need, and what bends.
#[test]
fn energy_is_cost_and_straightness() {
    let mut rng = Generator::from_seed(3);
    let times = [-1.0, 0.5, 0.75, 2.0];
    let mut states = Vec::new();
    for _ in times {
        states.push(rng.normal((20, 3), DType::F64, device()).unwrap());
    }
    let cost = transport_cost(&states[0], &states[3], squared_norm).unwrap();
    let bent = straightness(&times, &states).unwrap();
    let energy = path_energy(&times, &states).unwrap();
    close(cost.mean / 3.0 + bent.mean, energy, 1e-14);
}

#[test]
fn dtype_and_rank_do_not_matter() {
    let x = noise((24, 2), DType::F32);
    let times = times(4);
    let states: Vec<Tensor> = times.iter().map(|t| turned(&x, *t)).collect();
    let wide = |x: &Tensor| x.to_dtype(DType::F64).unwrap().reshape((6, 4, 2)).unwrap();
    let others: Vec<Tensor> = states.iter().map(wide).collect();
    let (a, b) = (
        straightness(&times, &states).unwrap(),
        straightness(&times, &others).unwrap(),
    );
    // Four points are a sample there.
    close(4.0 * a.mean, b.mean, 1e-12);
    let narrow = |x: &Tensor| x.to_dtype(DType::BF16).unwrap();
    let narrow: Vec<Tensor> = states.iter().map(narrow).collect();
    let rough = straightness(&times, &narrow).unwrap();
    close(rough.mean, a.mean, 0.2);
    let largest = |way: &[f64]| way.iter().fold(0.0, |a: f64, w| a.max(w.abs()));
    let (a, b) = (
        transport_cost(&states[0], &states[4], largest).unwrap(),
        transport_cost(&others[0], &others[4], largest).unwrap(),
    );
    assert!(a.mean < b.mean);
    // A size at which squares overflow is as good as another, over such a time.
    let huge = |x: &Tensor| (wide(x) * 1e200).unwrap();
    let huge: Vec<Tensor> = states.iter().map(huge).collect();
    let later: Vec<f64> = times.iter().map(|t| t * 1e150).collect();
    let found = straightness(&later, &huge).unwrap();
    close(
        found.mean,
        straightness(&times, &others).unwrap().mean * 1e250,
        1e-12,
    );
    assert!(
        matches!(straightness(&times, &huge), Err(Error::Range { argument, .. }) if argument == "states")
    );
}

#[test]
fn what_does_not_fit_is_a_typed_error() {
    let x = noise((3, 2), DType::F64);
    let two = [x.clone(), x.clone()];
    let still = field_fn(|_, x: &Tensor| Ok(x.zeros_like()?));
    let broken = field_fn(|_, x: &Tensor| Ok((x * f64::NAN)?));
    let narrow = field_fn(|_, x: &Tensor| Ok(x.narrow(1, 0, 1)?));
    let range = |error: Error, name: &str| {
        assert!(
            matches!(&error, Error::Range { argument, .. } if argument == name),
            "{error}"
        );
    };
    for times in [&[0.0][..], &[0.0, 0.0], &[0.0, 1.0, 2.0], &[0.0, f64::NAN]] {
        range(straightness(times, &two).unwrap_err(), "times");
        range(
            field_straightness(&still, times, &two).unwrap_err(),
            "times",
        );
    }
    let times = [0.0, 1.0];
    assert!(matches!(
        field_straightness(&broken, &times, &two),
        Err(Error::NonFinite { argument, .. }) if argument == "field"
    ));
    assert!(matches!(
        field_straightness(&narrow, &times, &two),
        Err(Error::Shape { argument, .. }) if argument == "field"
    ));
    let other = [x.clone(), x.narrow(0, 0, 2).unwrap()];
    assert!(matches!(
        straightness(&times, &other),
        Err(Error::Shape { .. })
    ));
    let none = x.narrow(0, 0, 0).unwrap();
    assert!(matches!(
        transport_cost(&none, &none, squared_norm),
        Err(Error::Empty { .. })
    ));
    range(transport_cost(&x, &x, |_| f64::NAN).unwrap_err(), "cost");
    range(transport_cost(&x, &x, |_| 1e308).unwrap_err(), "cost");
    let bad = (&x * f64::NAN).unwrap();
    assert!(matches!(
        transport_cost(&x, &bad, squared_norm),
        Err(Error::NonFinite { argument, .. }) if argument == "x1"
    ));
    assert!(matches!(SampleMean::of(&[]), Err(Error::Empty { .. })));
    assert!(matches!(
        SampleMean::of(&[1.0, f64::NAN]),
        Err(Error::NonFinite { index: 1, .. })
    ));
    range(SampleMean::of(&[1e308; 3]).unwrap_err(), "values");
}
