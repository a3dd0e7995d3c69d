//! Measured orders of convergence.

/// Returns the order `p` in `error(n) ≈ C n^(−p)`: the slope of log error against log n by least squares.
///
/// `error` gets a number of steps; `counts` should lie where the error is far above rounding.
///
/// ```
/// use advect_core::testing::measured_order;
/// let order = measured_order(&[10, 20, 40], |n| 3.0 / (n as f64).powi(4));
/// assert!((order - 4.0).abs() < 1e-9);
/// ```
pub fn measured_order(counts: &[usize], error: impl Fn(usize) -> f64) -> f64 {
    let points: Vec<(f64, f64)> = counts
        .iter()
        .map(|&n| ((n as f64).ln(), error(n).ln()))
        .collect();
    let count = points.len() as f64;
    let mean = |f: fn(&(f64, f64)) -> f64| points.iter().map(f).sum::<f64>() / count;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let covariance: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    let variance: f64 = points.iter().map(|p| (p.0 - x).powi(2)).sum();
    -covariance / variance
}
