//! Costs that tie, or nearly do, against exact sums in whole numbers.

use advect_core::Generator;
use advect_transport::Cost;
use rand_distr::{StandardNormal, StandardUniform};

use super::assignment::check_exact;

/// Squared distances of points in the plane, or of other dimensions, whose coordinates a function cuts.
fn between(n: usize, d: usize, cut: impl Fn(usize, usize, f64) -> f64) -> Cost {
    let mut rng = Generator::from_seed(7);
    let mut cloud = |shift: f64| -> Vec<f64> {
        let values: Vec<f64> = rng.values(&StandardNormal, n * d).unwrap();
        let values = values.into_iter().enumerate();
        values.map(|(k, v)| cut(k / d, k % d, v + shift)).collect()
    };
    let (x, y) = (cloud(0.0), cloud(1.0));
    let pairs = (0..n * n).map(|k| (&x[k / n * d..][..d], &y[k % n * d..][..d]));
    let costs = pairs.map(|(x, y)| x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum());
    Cost::new(n, n, costs.collect()).unwrap()
}

#[test]
fn coordinates_on_a_grid_are_exact() {
    for n in [30, 110] {
        for d in [1, 2, 3] {
            for step in [1.0, 0.25, 0.0625, 0.015625] {
                check_exact(&between(n, d, |_, _, v| (v / step).round()));
            }
        }
        // Pixels that are black or white, and bytes.
        check_exact(&between(n, 16, |_, _, v| f64::from(u8::from(v > 0.5))));
        check_exact(&between(n, 3, |_, _, v| (40.0 * v + 100.0).round()));
    }
}

#[test]
fn equal_points_among_others_are_exact() {
    let n = 90;
    let value = |v: f64| (v * 1024.0).round() / 1024.0;
    let mut rng = Generator::from_seed(1);
    let uniform: Vec<f64> = rng.values(&StandardUniform, 2 * n).unwrap();
    for kept in [2, 3, n / 2] {
        // Points come several times, or all but a few are one point.
        check_exact(&between(n, 2, |i, k, _| value(uniform[2 * (i / kept) + k])));
        check_exact(&between(n, 2, |i, k, v| match i < n / kept {
            true => value(uniform[k]),
            false => value(v),
        }));
    }
}

/// Ties but for differences of the last bits of a float, which are about as small as the rounding of prices.
#[test]
fn differences_as_small_as_rounding_are_told_apart() {
    for n in [12, 40, 100] {
        for (levels, step) in [(1.0, 1.0), (4.0, 2048.0), (300.0, 16.0)] {
            let mut rng = Generator::from_seed(n as u64);
            let coarse: Vec<f64> = rng.values(&StandardUniform, n * n).unwrap();
            let fine: Vec<f64> = rng.values(&StandardUniform, n * n).unwrap();
            let costs = coarse.iter().zip(&fine).map(|(c, f)| {
                let bits = (f * 16.0).floor() * 2f64.powi(-40);
                (c * levels).floor() * step + bits
            });
            check_exact(&Cost::new(n, n, costs.collect()).unwrap());
            let distance = |k: usize| 64.0 * ((k / n) as f64 - (k % n) as f64).abs();
            let costs = (0..n * n).map(|k| distance(k) + (fine[k] * 4.0).floor() * 2f64.powi(-40));
            check_exact(&Cost::new(n, n, costs.collect()).unwrap());
        }
    }
}

/// Points on a line, whose costs are a convex function of the distance, or nearly: in the order of the line or not.
#[test]
fn points_on_a_line_are_exact() {
    for n in [1, 2, 3, 20, 150] {
        let mut rng = Generator::from_seed(n as u64);
        let places: Vec<f64> = rng.values(&StandardNormal, 2 * n).unwrap();
        for bits in [4, 12, 20] {
            let cut = |v: f64| (v * f64::from(1 << bits)).round() / f64::from(1 << bits);
            // Apart, one within the other, and far away from each other.
            for (scale, shift) in [(1.0, 0.5), (4.0, 0.0), (1.0, 16.0)] {
                let place = |k: usize| match k < n {
                    true => cut(places[k]),
                    false => cut(scale * places[k]) + shift,
                };
                let by = |cost: &dyn Fn(f64) -> f64| {
                    let costs = (0..n * n).map(|k| cost((place(k / n) - place(n + k % n)).abs()));
                    check_exact(&Cost::new(n, n, costs.collect()).unwrap());
                };
                by(&|d| d * d);
                by(&|d| d);
                by(&|d| (d - 1.0).max(0.0));
                // Distances in the plane: rounded, so that they tie but for that.
                by(&|d| (2f64.sqrt() * d * 2f64.powi(38)).round() * 2f64.powi(-38));
                // Not convex.
                by(&|d| d.min(1.0));
                by(&|d| -d * d);
            }
        }
    }
}
