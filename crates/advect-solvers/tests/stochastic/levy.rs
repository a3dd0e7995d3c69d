//! The law of Lévy areas, and Milstein's method with them.

use advect_core::testing::{device, measured_order};
use advect_core::{Error, Field, Key, Result, Time, field_fn};
use advect_solvers::controller::Fixed;
use advect_solvers::sde::{
    BrownianPath, Diagonal, EulerMaruyama, General, GeneralJvp, Interpretation, Milstein,
    MilsteinGeneral, StratonovichHeun, ito_drift, stratonovich_drift,
};
use advect_solvers::stepper::Stepper;
use advect_solvers::{Save, Solver};
use candle_core::{DType, Tensor};

use crate::stochastic::common::{Times, assert_order, distance, end, gap, values};

const N: usize = 20_000;

fn path(seed: u64, shape: &[usize], cells: usize) -> BrownianPath {
    let motions = Tensor::zeros(shape, DType::F64, device()).unwrap();
    let path = BrownianPath::new(Key::from_seed(seed), &motions, 0.0, 1.0).unwrap();
    path.cells(cells).unwrap().areas()
}

/// Entry (j, k) of matrices.
fn entry(x: &Tensor, j: usize, k: usize) -> Vec<f64> {
    values(&x.narrow(1, j, 1).unwrap().narrow(2, k, 1).unwrap())
}

fn component(x: &Tensor, j: usize) -> Vec<f64> {
    values(&x.narrow(1, j, 1).unwrap())
}

fn moment(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / a.len() as f64
}

/// An area over h has the density sech(π x/h)/h (Lévy 1951): P(A ≤ x) = 2/π arctan exp(π x/h).
#[test]
fn areas_have_levys_law() {
    let law = |h: f64| {
        move |x: f64| std::f64::consts::FRAC_2_PI * (std::f64::consts::PI * x / h).exp().atan()
    };
    for (cells, s, t) in [
        (4, 0.0, 0.25),
        (9, 2.0 / 9.0, 1.0 / 3.0),
        (9, 0.0, 1.0),
        (6, 0.5, 1.0),
    ] {
        let path = path(cells as u64, &[N, 3], cells);
        let area = path.increment_with_levy_area(s, t).unwrap().area;
        for (j, k) in [(0, 1), (0, 2), (1, 2)] {
            let area = entry(&area, j, k);
            // The 99.9 % point of Kolmogorov's law.
            let distance = distance(&area, law(t - s));
            assert!(distance < 1.95, "{cells} cells, {s} to {t}: {distance}");
        }
    }
}

/// Given the increments w over h, the variance of an area is (h² + h (w_j² + w_k²))/12; given the mean of the bridge H
/// too, its expectation is H_j w_k − H_k w_j and the rest's variance h²/12.
#[test]
fn areas_belong_to_their_increments() {
    let path = path(1, &[N, 3], 1);
    let motion = path.increment_with_levy_area(0.0, 1.0).unwrap();
    let integral = path.increment_with_integral(0.0, 1.0).unwrap();
    assert_eq!(values(&motion.value), values(&integral.value));
    let near = |a: f64, b: f64, spread: f64| {
        assert!((a - b).abs() < 5.0 * spread / (N as f64).sqrt(), "{a}, {b}");
    };
    let bridge = (integral.integral - (&integral.value * 0.5).unwrap()).unwrap();
    for (j, k) in [(0, 1), (2, 0), (1, 2)] {
        let area = entry(&motion.area, j, k);
        let (wj, wk) = (component(&motion.value, j), component(&motion.value, k));
        let (hj, hk) = (component(&bridge, j), component(&bridge, k));
        near(moment(&area, &area), 0.25, 0.6);
        near(moment(&area, &wj), 0.0, 0.5);
        let size: Vec<f64> = wj.iter().zip(&wk).map(|(a, b)| a * a + b * b).collect();
        let squares: Vec<f64> = area.iter().map(|a| a * a).collect();
        // E (w_j² + w_k²) = 2 and E (w_j² + w_k²)² = 8.
        near(moment(&squares, &size), (2.0 + 8.0) / 12.0, 5.0);
        let rest: Vec<f64> = (0..N)
            .map(|i| area[i] - hj[i] * wk[i] + hk[i] * wj[i])
            .collect();
        near(moment(&rest, &rest), 1.0 / 12.0, 0.2);
        near(moment(&rest, &hj), 0.0, 0.1);
        let product: Vec<f64> = hj.iter().zip(&wk).map(|(a, b)| a * b).collect();
        near(moment(&rest, &product), 0.0, 0.1);
    }
    let pair = |j, k| entry(&motion.area, j, k);
    near(moment(&pair(0, 1), &pair(0, 2)), 0.0, 0.3);
    near(moment(&pair(0, 1), &pair(1, 2)), 0.0, 0.3);
    for (a, b) in pair(0, 1).iter().zip(pair(1, 0)) {
        assert_eq!(*a, -b);
    }
}

/// Chen's relation, on cells, in any order and backwards.
#[test]
fn areas_add_up() {
    let path = path(2, &[5, 3], 12);
    let at = |s, t| path.increment_with_levy_area(s, t).unwrap();
    let (a, b, whole) = (at(0.25, 0.5), at(0.5, 1.0), at(0.25, 1.0));
    let sum = |j: usize, k: usize, i: usize| {
        let area = entry(&a.area, j, k)[i] + entry(&b.area, j, k)[i];
        let (aj, ak) = (component(&a.value, j)[i], component(&a.value, k)[i]);
        area + 0.5 * (aj * component(&b.value, k)[i] - ak * component(&b.value, j)[i])
    };
    for i in 0..5 {
        for (j, k) in [(0, 1), (1, 2), (2, 0)] {
            assert!((sum(j, k, i) - entry(&whole.area, j, k)[i]).abs() < 1e-14);
        }
    }
    let back = at(1.0, 0.25);
    for (a, b) in values(&back.area).iter().zip(values(&whole.area)) {
        assert_eq!(*a, -b);
    }
    let value = values(&path.increment(0.25, 1.0).unwrap());
    for (a, b) in value.iter().zip(values(&whole.value)) {
        assert!((a - b).abs() < 1e-14);
    }
    assert!(values(&at(0.5, 0.5).area).iter().all(|a| *a == 0.0));
}

/// The path of a sample depends on its number alone.
#[test]
fn areas_by_sample() {
    let whole = path(3, &[6, 2], 4).by_sample(0);
    let part = path(3, &[2, 2], 4).by_sample(3);
    let whole = whole.increment_with_levy_area(0.0, 0.5).unwrap();
    let part = part.increment_with_levy_area(0.0, 0.5).unwrap();
    let same = whole.area.narrow(0, 3, 2).unwrap();
    assert_eq!(values(&same), values(&part.area));
}

#[test]
fn bad_arguments_are_typed_errors() {
    let whole = path(4, &[2, 2], 4);
    for (s, t) in [(0.0, 0.3), (0.1, 0.5), (0.0, 1.25), (f64::NAN, 1.0)] {
        let error = whole.increment_with_levy_area(s, t).unwrap_err();
        assert!(matches!(error, Error::Range { .. }), "{error}");
    }
    let error = path(4, &[2], 4).increment_with_levy_area(0.0, 0.5);
    assert!(matches!(error, Err(Error::Shape { argument, .. }) if argument == "path"));
    let motions = Tensor::zeros((2, 2), DType::F64, device()).unwrap();
    let without = BrownianPath::new(Key::from_seed(0), &motions, 0.0, 1.0).unwrap();
    let error = without.increment_with_levy_area(0.0, 1.0).unwrap_err();
    assert!(error.to_string().contains("areas"), "{error}");
}

fn columns(of: &[&Tensor; 4]) -> Result<Tensor> {
    let first = Tensor::cat(&of[..2], 1)?;
    let second = Tensor::cat(&of[2..], 1)?;
    Ok(Tensor::stack(&[first, second], 2)?)
}

/// The columns (cos x₂, x₁/2) and (0.7 sin x₂, 0.8 cos x₁), which do not commute.
fn matrix(_: &Time, x: &Tensor) -> Result<Tensor> {
    let (a, b) = (x.narrow(1, 0, 1)?, x.narrow(1, 1, 1)?);
    columns(&[
        &b.cos()?,
        &(&a * 0.5)?,
        &(b.sin()? * 0.7)?,
        &(a.cos()? * 0.8)?,
    ])
}

fn derivative(_: &Time, x: &Tensor, dx: &Tensor) -> Result<Tensor> {
    let (a, b) = (x.narrow(1, 0, 1)?, x.narrow(1, 1, 1)?);
    let (da, db) = (dx.narrow(1, 0, 1)?, dx.narrow(1, 1, 1)?);
    columns(&[
        &(b.sin()? * &db)?.neg()?,
        &(&da * 0.5)?,
        &((b.cos()? * &db)? * 0.7)?,
        &((a.sin()? * &da)? * -0.8)?,
    ])
}

/// Noise that does not commute, on one path, against fine steps: with Lévy areas order 1, without ½.
#[test]
fn strong_order_of_noncommutative_noise() {
    let fine = 256;
    let path = path(5, &[400, 2], fine);
    let x0 = Tensor::ones((400, 2), DType::F64, device()).unwrap();
    let still = field_fn(|_, x| Ok(x.sin()?));
    let end = |stepper: &dyn Stepper, drift: &dyn Field, n: usize| {
        end(stepper, drift, &x0, (0.0, 1.0), n)
    };
    let noise = GeneralJvp(matrix, derivative);
    let ito = MilsteinGeneral::new(noise, path.clone(), Interpretation::Ito);
    let exact = end(&ito, &still, fine);
    let counts = [4, 8, 16, 32];
    let order = |stepper: &dyn Stepper, drift: &dyn Field| {
        measured_order(&counts, |n| gap(&end(stepper, drift, n), &exact))
    };
    assert_order(order(&ito, &still), 1.0, "Milstein, general");
    let free = MilsteinGeneral::new(General(matrix), path.clone(), Interpretation::Ito);
    assert_order(order(&free, &still), 1.0, "Milstein, general, differences");
    // Methods that know nothing of areas come to the same solution: at fine steps, and with their own order.
    let euler = EulerMaruyama::new(General(matrix), path.clone());
    assert_order(order(&euler, &still), 0.5, "Euler-Maruyama, general");
    let (coarse, finest) = (
        gap(&end(&euler, &still, 32), &exact),
        gap(&end(&euler, &still, fine), &exact),
    );
    assert!(finest < 0.45 * coarse, "{finest}, {coarse}");
    let stratonovich = stratonovich_drift(&still, noise);
    let sense = Interpretation::Stratonovich;
    let with = MilsteinGeneral::new(noise, path.clone(), sense);
    assert_order(
        order(&with, &stratonovich),
        1.0,
        "Milstein, general, Stratonovich",
    );
    let heun = StratonovichHeun::new(noise, path);
    assert_order(order(&heun, &stratonovich), 0.5, "Heun, general");
}

/// A diagonal matrix is diagonal noise: the areas have no effect, and the steps are those of Milstein's method,
/// backwards too.
#[test]
fn diagonal_matrices_are_diagonal_noise() {
    let path = path(6, &[3, 2], 8);
    let x0 = Tensor::ones((3, 2), DType::F64, device()).unwrap();
    let matrix = |_: &Time, x: &Tensor| -> Result<Tensor> {
        let eye = Tensor::eye(2, DType::F64, device())?;
        Ok((x.unsqueeze(1)?.broadcast_mul(&eye)? * 0.8)?)
    };
    for (sense, from, to) in [
        (Interpretation::Ito, 0.0, 1.0),
        (Interpretation::Ito, 1.0, 0.0),
        (Interpretation::Stratonovich, 0.0, 1.0),
    ] {
        let general = MilsteinGeneral::new(General(matrix), path.clone(), sense);
        let plain = Milstein::new(Diagonal(Times(0.8)), path.clone(), sense);
        let end = |stepper: &dyn Stepper| {
            let solver = Solver::new(stepper, Fixed::steps(8).unwrap());
            values(
                &solver
                    .solve(&Times(0.5), &x0, from, to)
                    .unwrap()
                    .end()
                    .unwrap(),
            )
        };
        for (a, b) in end(&general).iter().zip(end(&plain)) {
            assert!((a - b).abs() < 1e-13, "{a}, {b}");
        }
    }
}

/// Steps within cells have no areas.
#[test]
fn steps_end_on_cells() {
    let stepper = MilsteinGeneral::new(General(matrix), path(7, &[3, 2], 4), Interpretation::Ito);
    let x0 = Tensor::ones((3, 2), DType::F64, device()).unwrap();
    let still = field_fn(|_, x| Ok(x.zeros_like()?));
    let solver = Solver::new(stepper, Fixed::steps(4).unwrap());
    let integration = || solver.integration(&still, &x0, 0.0, 1.0);
    assert!(
        integration()
            .save(Save::At(vec![0.5]))
            .run()
            .unwrap()
            .end()
            .is_ok()
    );
    let error = integration().save(Save::At(vec![0.3])).run().unwrap_err();
    assert!(error.to_string().contains("cells"), "{error}");
}

/// Conversions of general noise, against differences of g.
#[test]
fn drifts_of_general_noise() {
    let x = Tensor::new(&[[0.3f64, -0.4], [1.1, 0.2]], device()).unwrap();
    let t = Time::Shared(0.0);
    let still = field_fn(|_, x| Ok(x.zeros_like()?));
    let correction = ito_drift(&still, GeneralJvp(matrix, derivative))
        .at(&t, &x)
        .unwrap();
    let g = matrix(&t, &x).unwrap();
    let size = 1e-5;
    let mut expected = x.zeros_like().unwrap();
    for k in 0..2 {
        let column = |m: &Tensor| m.narrow(2, k, 1).unwrap().squeeze(2).unwrap();
        let moved = |sign: f64| {
            let x = (&x + (column(&g) * (sign * size)).unwrap()).unwrap();
            column(&matrix(&t, &x).unwrap())
        };
        let difference = ((moved(1.0) - moved(-1.0)).unwrap() * (0.25 / size)).unwrap();
        expected = (expected + difference).unwrap();
    }
    for (a, b) in values(&correction).iter().zip(values(&expected)) {
        assert!((a - b).abs() < 1e-9, "{a}, {b}");
    }
}
