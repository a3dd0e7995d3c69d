//! Curves through points at given times, linear in the points.

use advect_core::forward_to;

/// A rule of interpolation that is linear in its points: `x(t) = Σ_k w_k(t) x_k` through x_k at time t_k.
///
/// Your own rule is one impl:
///
/// ```
/// use advect_trajectories::path::Interpolation;
///
/// /// The polynomial through all points (Lagrange).
/// struct Polynomial;
///
/// impl Interpolation for Polynomial {
///     fn weights(&self, times: &[f64], t: f64) -> (Vec<f64>, Vec<f64>) {
///         let others = |k: usize| (0..times.len()).filter(move |j| *j != k);
///         let factor = |k: usize, j: usize| (t - times[j]) / (times[k] - times[j]);
///         let value = |k| others(k).map(|j| factor(k, j)).product();
///         let slope = |k| {
///             let but = |i: usize| others(k).filter(move |j| *j != i).map(|j| factor(k, j)).product::<f64>();
///             others(k).map(|i| but(i) / (times[k] - times[i])).sum()
///         };
///         ((0..times.len()).map(value).collect(), (0..times.len()).map(slope).collect())
///     }
/// }
/// let (value, slope) = Polynomial.weights(&[0.0, 1.0, 2.0], 0.5);
/// assert_eq!(value, [0.375, 0.75, -0.125]);
/// assert_eq!(slope, [-1.0, 1.0, 0.0]);
/// ```
pub trait Interpolation {
    /// Returns the weights `w_k(t)` of the points and their derivatives `w_k'(t)`, for rising times and t between the first and the
    /// last.
    fn weights(&self, times: &[f64], t: f64) -> (Vec<f64>, Vec<f64>);
}

forward_to!([] Interpolation {
    fn weights(&self, times: &[f64], t: f64) -> (Vec<f64>, Vec<f64>);
});

/// The interval `[t_k, t_(k+1)]` in which t lies: k, the length, and the part of it that is behind t.
fn interval(times: &[f64], t: f64) -> (usize, f64, f64) {
    let after = times.partition_point(|knot| *knot <= t);
    let k = after.clamp(1, times.len() - 1) - 1;
    let length = times[k + 1] - times[k];
    (k, length, (t - times[k]) / length)
}

/// Straight lines from point to point. Velocities jump at the times of the points.
///
/// ```
/// use advect_trajectories::path::{Interpolation, PiecewiseLinear};
/// let (value, slope) = PiecewiseLinear.weights(&[0.0, 1.0, 3.0], 1.5);
/// assert_eq!((value, slope), (vec![0.0, 0.75, 0.25], vec![0.0, -0.5, 0.5]));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct PiecewiseLinear;

impl Interpolation for PiecewiseLinear {
    fn weights(&self, times: &[f64], t: f64) -> (Vec<f64>, Vec<f64>) {
        let (k, length, s) = interval(times, t);
        let (mut value, mut slope) = (vec![0.0; times.len()], vec![0.0; times.len()]);
        (value[k], value[k + 1]) = (1.0 - s, s);
        (slope[k], slope[k + 1]) = (-1.0 / length, 1.0 / length);
        (value, slope)
    }
}

/// Cubic Hermite pieces, whose slope at a point is the weighted mean of the slopes of the lines beside it: that of the parabola
/// through three neighbours (the Catmull–Rom spline where times are equally far apart). At both ends it is the slope of the parabola, too,
/// or of the line if there are but two points. Velocities are continuous, and a point has an influence on two intervals to either side.
///
/// ```
/// use advect_trajectories::path::{Hermite, Interpolation};
/// let times = [0.0, 1.0, 3.0, 4.0];
/// let (value, slope) = Hermite.weights(&times, 2.0);
/// // It repeats parabolas.
/// let at = |weights: &[f64]| weights.iter().zip(times).map(|(w, t)| w * t * t).sum::<f64>();
/// assert!((at(&value) - 4.0).abs() < 1e-12 && (at(&slope) - 4.0).abs() < 1e-12);
/// ```
#[doc(alias = "Catmull-Rom")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Hermite;

impl Hermite {
    /// The slope at the k-th point, as weights of the points.
    fn slope(times: &[f64], k: usize) -> Vec<f64> {
        let last = times.len() - 1;
        let mut weights = vec![0.0; times.len()];
        if last == 1 {
            let length = times[1] - times[0];
            (weights[0], weights[1]) = (-1.0 / length, 1.0 / length);
            return weights;
        }
        // The derivative of the parabola through three points at the k-th time.
        let middle = k.clamp(1, last - 1);
        let three = [middle - 1, middle, middle + 1];
        for i in three {
            let others = three.into_iter().filter(|j| *j != i);
            let below: f64 = others.clone().map(|j| times[i] - times[j]).product();
            let above: f64 = others.map(|j| times[k] - times[j]).sum();
            weights[i] = above / below;
        }
        weights
    }
}

impl Interpolation for Hermite {
    fn weights(&self, times: &[f64], t: f64) -> (Vec<f64>, Vec<f64>) {
        let (k, length, s) = interval(times, t);
        let (from, to) = (Self::slope(times, k), Self::slope(times, k + 1));
        cubic(k, length, s, &from, &to)
    }
}

/// The cubic between the k-th and the next point, whose slopes at the ends are given as weights of all points.
fn cubic(k: usize, length: f64, s: f64, from: &[f64], to: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (s2, s3) = (s * s, s * s * s);
    let of_slopes = |a: f64, b: f64| from.iter().zip(to).map(|(f, t)| a * f + b * t).collect();
    let mut value: Vec<f64> = of_slopes(length * (s3 - 2.0 * s2 + s), length * (s3 - s2));
    let mut slope: Vec<f64> = of_slopes(3.0 * s2 - 4.0 * s + 1.0, 3.0 * s2 - 2.0 * s);
    let (rise, steepness) = (3.0 * s2 - 2.0 * s3, 6.0 * (s - s2) / length);
    value[k] += 1.0 - rise;
    value[k + 1] += rise;
    slope[k] -= steepness;
    slope[k + 1] += steepness;
    (value, slope)
}

/// The natural cubic spline: of all curves through the points the one of least `∫ |x''|² dt`. Velocities and accelerations are
/// continuous, and every point has an influence everywhere.
///
/// ```
/// use advect_trajectories::path::{Interpolation, NaturalCubic};
/// let (value, slope) = NaturalCubic.weights(&[0.0, 1.0, 2.0], 0.5);
/// for (w, expected) in value.iter().zip([0.40625, 0.6875, -0.09375]) {
///     assert!((w - expected).abs() < 1e-15);
/// }
/// assert!(slope.iter().sum::<f64>().abs() < 1e-15);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct NaturalCubic;

impl NaturalCubic {
    /// The slopes at all points as weights of the points, row by row: of the tridiagonal system that makes the second derivative
    /// continuous, and 0 at both ends.
    fn slopes(times: &[f64]) -> Vec<Vec<f64>> {
        let last = times.len() - 1;
        let step = |k: usize| times[k + 1] - times[k];
        let (mut diagonal, mut right) = (Vec::new(), Vec::new());
        // 1/h_(k−1) m_(k−1) + 2 (1/h_(k−1) + 1/h_k) m_k + 1/h_k m_(k+1) = 3 (Δ_(k−1)/h_(k−1)² + Δ_k/h_k²)
        for k in 0..=last {
            let mut row = vec![0.0; times.len()];
            let mut sum = 0.0;
            for left in [k.checked_sub(1), (k < last).then_some(k)] {
                let Some(left) = left else { continue };
                let h = step(left);
                sum += 2.0 / h;
                row[left] -= 3.0 / (h * h);
                row[left + 1] += 3.0 / (h * h);
            }
            diagonal.push(sum);
            right.push(row);
        }
        // Thomas's elimination; the system is diagonally dominant.
        for k in 1..=last {
            let factor = 1.0 / step(k - 1) / diagonal[k - 1];
            diagonal[k] -= factor / step(k - 1);
            let (above, below) = right.split_at_mut(k);
            let pairs = below[0].iter_mut().zip(&above[k - 1]);
            pairs.for_each(|(x, y)| *x -= factor * y);
        }
        for k in (0..=last).rev() {
            if k < last {
                let (here, below) = right.split_at_mut(k + 1);
                let pairs = here[k].iter_mut().zip(&below[0]);
                pairs.for_each(|(x, y)| *x -= y / step(k));
            }
            right[k].iter_mut().for_each(|x| *x /= diagonal[k]);
        }
        right
    }
}

impl Interpolation for NaturalCubic {
    fn weights(&self, times: &[f64], t: f64) -> (Vec<f64>, Vec<f64>) {
        let (k, length, s) = interval(times, t);
        let slopes = Self::slopes(times);
        cubic(k, length, s, &slopes[k], &slopes[k + 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: [f64; 5] = [0.0, 0.7, 1.0, 2.5, 3.0];

    fn all() -> [(&'static str, Box<dyn Interpolation>); 3] {
        [
            ("linear", Box::new(PiecewiseLinear)),
            ("Hermite", Box::new(Hermite)),
            ("natural", Box::new(NaturalCubic)),
        ]
    }

    fn sum(weights: &[f64], f: impl Fn(f64) -> f64) -> f64 {
        weights.iter().zip(TIMES).map(|(w, t)| w * f(t)).sum()
    }

    #[test]
    fn curves_go_through_their_points_and_repeat_lines() {
        for (name, rule) in all() {
            for (k, t) in TIMES.iter().enumerate() {
                let (value, _) = rule.weights(&TIMES, *t);
                for (j, w) in value.iter().enumerate() {
                    let expected = f64::from(u8::from(j == k));
                    assert!((w - expected).abs() < 1e-12, "{name}");
                }
            }
            for t in [0.1, 0.9, 1.3, 2.9] {
                let (value, slope) = rule.weights(&TIMES, t);
                assert!((sum(&value, |t| 2.0 - 3.0 * t) - (2.0 - 3.0 * t)).abs() < 1e-12);
                assert!(
                    (sum(&slope, |t| 2.0 - 3.0 * t) + 3.0).abs() < 1e-12,
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn slopes_are_derivatives() {
        for (name, rule) in all() {
            for t in [0.3, 0.85, 1.9, 2.6] {
                let h = 1e-5;
                let (above, below) = (rule.weights(&TIMES, t + h).0, rule.weights(&TIMES, t - h).0);
                let (_, slope) = rule.weights(&TIMES, t);
                for (k, s) in slope.iter().enumerate() {
                    let difference = (above[k] - below[k]) / (2.0 * h);
                    assert!(
                        (s - difference).abs() < 1e-8,
                        "{name} {t}: {s} {difference}"
                    );
                }
            }
        }
    }

    /// The second derivative of the natural spline is continuous, and 0 at both ends.
    #[test]
    fn natural_splines_bend_continuously() {
        let bend = |t: f64, side: f64| {
            let h = 1e-4;
            let slope = |t: f64| sum(&NaturalCubic.weights(&TIMES, t).1, |t| (2.0 * t).sin());
            // A quadratic's derivative from one side, without error.
            let (a, b, c) = (slope(t), slope(t + side * h), slope(t + 2.0 * side * h));
            side * (-1.5 * a + 2.0 * b - 0.5 * c) / h
        };
        assert!(bend(0.0, 1.0).abs() < 1e-6 && bend(3.0, -1.0).abs() < 1e-6);
        for t in [0.7, 1.0, 2.5] {
            let (left, right) = (bend(t - 1e-12, -1.0), bend(t, 1.0));
            assert!((left - right).abs() < 1e-5, "{t}: {left} {right}");
            assert!(left.abs() > 0.1);
        }
    }
}
