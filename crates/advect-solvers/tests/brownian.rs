//! The law of Brownian paths.

use advect_core::testing::device;
use advect_core::{Error, Key};
use advect_solvers::sde::BrownianPath;
use candle_core::{DType, Tensor};

fn path(seed: u64, motions: usize) -> BrownianPath {
    let x = Tensor::zeros(motions, DType::F64, device()).unwrap();
    BrownianPath::new(Key::from_seed(seed), &x, 0.0, 1.0).unwrap()
}

fn values(x: &Tensor) -> Vec<f64> {
    x.to_vec1().unwrap()
}

fn covariance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / a.len() as f64
}

/// The Kolmogorov–Smirnov distance of numbers from the standard normal law, times √n.
fn distance(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let scaled: Vec<f64> = sorted.iter().map(|x| x / 2f64.sqrt()).collect();
    let erf = Tensor::from_vec(scaled, n, device())
        .unwrap()
        .erf()
        .unwrap();
    let below = |(i, erf): (usize, &f64)| {
        let cdf = 0.5 * (1.0 + erf);
        (cdf - i as f64 / n as f64)
            .abs()
            .max((cdf - (i + 1) as f64 / n as f64).abs())
    };
    let largest = self::values(&erf)
        .iter()
        .enumerate()
        .map(below)
        .fold(0.0, f64::max);
    largest * (n as f64).sqrt()
}

const N: usize = 20_000;

#[test]
fn increments_are_normal() {
    for (s, t) in [
        (0.0, 1.0),
        (0.25, 0.5),
        (0.1, 0.9),
        (0.3, 0.3001),
        (0.123, 0.456),
    ] {
        for path in [path(1, N), path(2, N).areas(), path(3, N).cells(7).unwrap()] {
            let w = values(&path.increment(s, t).unwrap());
            let scaled: Vec<f64> = w.iter().map(|w| w / (t - s).sqrt()).collect();
            // The 99.9 % point of Kolmogorov's law.
            assert!(
                distance(&scaled) < 1.95,
                "{s} to {t}: {}",
                distance(&scaled)
            );
        }
    }
}

#[test]
fn increments_over_disjoint_intervals_are_independent() {
    let times: [f64; 7] = [0.0, 0.1, 0.37, 0.5, 0.62, 0.99, 1.0];
    for path in [path(4, N), path(5, N).areas(), path(6, N).cells(3).unwrap()] {
        let w: Vec<Vec<f64>> = (times.windows(2))
            .map(|w| {
                let h = (w[1] - w[0]).sqrt();
                let values = values(&path.increment(w[0], w[1]).unwrap());
                values.iter().map(|x| x / h).collect()
            })
            .collect();
        for i in 0..w.len() {
            for j in 0..i {
                let correlation = covariance(&w[i], &w[j]);
                assert!(correlation.abs() < 4.0 / (N as f64).sqrt(), "{correlation}");
            }
        }
    }
}

/// Given W(0) and W(1), the path between is a bridge: mean θ W(1), covariance s (1 − t).
#[test]
fn between_known_ends_it_is_a_bridge() {
    for path in [path(7, N), path(8, N).areas()] {
        let end = values(&path.increment(0.0, 1.0).unwrap());
        let bridge = |t: f64| -> Vec<f64> {
            let w = values(&path.increment(0.0, t).unwrap());
            w.iter().zip(&end).map(|(w, end)| w - t * end).collect()
        };
        for (s, t) in [(0.5, 0.5), (0.2, 0.7), (0.01, 0.02)] {
            let (a, b) = (bridge(s), bridge(t));
            let expected = s * (1.0 - t);
            let spread = 4.0 * ((s * (1.0 - s) * t * (1.0 - t)).sqrt() * 1.5) / (N as f64).sqrt();
            assert!((covariance(&a, &b) - expected).abs() < spread, "{s}, {t}");
            assert!(covariance(&a, &end).abs() < 4.0 * (s * (1.0 - s) / N as f64).sqrt() * 1.5);
        }
    }
}

/// ∫ W over [s, t] less its start has variance h³/3 and covariance h²/2 with the increment, and is the limit of sums.
#[test]
fn integrals_belong_to_the_path() {
    for path in [path(9, N).areas(), path(10, N).areas().cells(5).unwrap()] {
        for (s, t) in [(0.0, 1.0), (0.2, 0.7), (0.3, 0.301)] {
            let h: f64 = t - s;
            let motion = path.increment_with_integral(s, t).unwrap();
            let (w, i) = (values(&motion.value), values(&motion.integral));
            let near = |value: f64, expected: f64, scale: f64| {
                let error = 5.0 * scale * 2f64.sqrt() / (N as f64).sqrt();
                assert!(
                    (value - expected).abs() < error,
                    "{s} to {t}: {value}, {expected}"
                );
            };
            near(covariance(&i, &i), h.powi(3) / 3.0, h.powi(3) / 3.0);
            near(covariance(&i, &w), h.powi(2) / 2.0, h.powi(2) / 2.0);
            near(covariance(&w, &w), h, h);
        }
        // Pieces: I over [s, u] is I over [s, t], W over [s, t] times u − t, and I over [t, u].
        let part = |s: f64, t: f64| path.increment_with_integral(s, t).unwrap();
        let (a, b, whole) = (part(0.13, 0.4), part(0.4, 0.85), part(0.13, 0.85));
        let first = (values(&a.integral), values(&a.value), values(&b.integral));
        for (k, whole) in values(&whole.integral).iter().enumerate() {
            let sum = first.0[k] + 0.45 * first.1[k] + first.2[k];
            assert!((sum - whole).abs() < 1e-12);
        }
        // The midpoint sum of the path itself.
        let fine = 512;
        let mut sum = vec![0.0; N];
        for k in 0..fine {
            let w = path.increment(0.0, (k as f64 + 0.5) / fine as f64).unwrap();
            for (sum, w) in sum.iter_mut().zip(values(&w)) {
                *sum += w / fine as f64;
            }
        }
        let exact = values(&part(0.0, 1.0).integral);
        let error = exact
            .iter()
            .zip(&sum)
            .map(|(a, b)| (a - b).powi(2))
            .sum::<f64>()
            / N as f64;
        assert!(error.sqrt() < 1e-3, "{}", error.sqrt());
    }
}

#[test]
fn the_order_of_questions_does_not_matter() {
    for path in [
        path(11, 3),
        path(11, 3).areas(),
        path(11, 3).cells(4).unwrap(),
    ] {
        let times: Vec<f64> = (0..=40).map(|i| f64::from(i) / 40.0).collect();
        let forwards: Vec<Vec<f64>> = (times.windows(2))
            .map(|w| values(&path.increment(w[0], w[1]).unwrap()))
            .collect();
        let other = path.clone();
        for i in [39, 0, 17, 17, 3, 38, 21, 5] {
            let again = values(&other.increment(times[i], times[i + 1]).unwrap());
            for (a, b) in again.iter().zip(&forwards[i]) {
                assert!((a - b).abs() < 1e-14);
            }
            let back = values(&other.increment(times[i + 1], times[i]).unwrap());
            for (a, b) in back.iter().zip(&forwards[i]) {
                assert!((a + b).abs() < 1e-14);
            }
        }
    }
}

/// Below the tolerance: the law of a value is right, and the path is continuous.
#[test]
fn below_the_tolerance_values_keep_their_law() {
    for path in [path(12, N), path(12, N).areas()] {
        let path = path.tolerance(0.3).unwrap();
        for t in [0.1, 0.2, 0.6] {
            let w = values(&path.increment(0.0, t).unwrap());
            let scaled: Vec<f64> = w.iter().map(|w| w / f64::sqrt(t)).collect();
            assert!(distance(&scaled) < 1.95, "{t}: {}", distance(&scaled));
        }
        let near = values(&path.increment(0.249_999_9, 0.250_000_1).unwrap());
        assert!(near.iter().all(|x| x.abs() < 1e-2));
    }
}

#[test]
fn bad_arguments_are_typed_errors() {
    let x = Tensor::zeros(2, DType::F64, device()).unwrap();
    let key = Key::from_seed(0);
    for (s, t) in [(0.0, 0.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
        assert!(matches!(
            BrownianPath::new(key, &x, s, t),
            Err(Error::Range { .. })
        ));
    }
    let integers = x.to_dtype(DType::U32).unwrap();
    assert!(matches!(
        BrownianPath::new(key, &integers, 0.0, 1.0),
        Err(Error::DType { .. })
    ));
    let path = path(0, 2);
    assert!(path.clone().cells(0).is_err());
    assert!(path.clone().tolerance(0.0).is_err() && path.clone().tolerance(f64::NAN).is_err());
    for (s, t) in [(-0.1, 0.5), (0.5, 1.1), (0.5, f64::NAN)] {
        assert!(matches!(path.increment(s, t), Err(Error::Range { .. })));
    }
    assert!(matches!(
        path.increment_with_integral(0.0, 1.0),
        Err(Error::Range { .. })
    ));
    assert_eq!(values(&path.increment(0.4, 0.4).unwrap()), [0.0, 0.0]);
}

/// In f32 the integral of a short step far from the cell's start is that of the same path in f64.
#[test]
fn integrals_of_short_steps_keep_their_digits() {
    let motions = 100;
    let h = 1e-2;
    for cells in [1, 3] {
        let path = |dtype| {
            let x = Tensor::zeros(motions, dtype, device()).unwrap();
            let path = BrownianPath::new(Key::from_seed(13), &x, 0.0, 1000.0).unwrap();
            path.cells(cells).unwrap().areas()
        };
        let (narrow, wide) = (path(DType::F32), path(DType::F64));
        // 500 is the middle of a cell.
        for s in [0.0, 333.333, 499.994, 500.0, 777.7, 999.99] {
            for (s, t) in [(s, s + h), (s + h, s)] {
                let ours = narrow.increment_with_integral(s, t).unwrap();
                let theirs = wide.increment_with_integral(s, t).unwrap();
                let error = |a: &Tensor, b: &Tensor| {
                    let pairs = values(&a.to_dtype(DType::F64).unwrap()).into_iter();
                    let differences = pairs.zip(values(b)).map(|(a, b)| (a - b).abs());
                    differences.fold(0.0, f64::max)
                };
                let by_value = error(&ours.value, &theirs.value);
                assert!(by_value < 1e-3 * h.sqrt(), "{s} to {t}: {by_value}");
                let by_integral = error(&ours.integral, &theirs.integral);
                assert!(
                    by_integral < 1e-3 * h.powf(1.5),
                    "{s} to {t}: {by_integral}"
                );
            }
        }
    }
}
