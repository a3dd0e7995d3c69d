//! The distance of Kolmogorov and Smirnov.

/// The largest difference between the distribution function of numbers and that of a continuous law: NaN if one of them is.
///
/// For `n` draws of the law it exceeds `√(ln(2/α) / 2n)` with a probability of at most α.
///
/// ```
/// use advect_examples::kolmogorov_smirnov;
/// let uniform = |x: f64| x.clamp(0.0, 1.0);
/// assert_eq!(kolmogorov_smirnov(vec![0.75, 0.25], uniform), 0.25);
/// assert_eq!(kolmogorov_smirnov(vec![0.5, 0.5], uniform), 0.5);
/// ```
pub fn kolmogorov_smirnov(mut values: Vec<f64>, distribution: impl Fn(f64) -> f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let gaps = values.iter().enumerate().map(|(i, x)| {
        let p = distribution(*x);
        (p - i as f64 / n).max((i + 1) as f64 / n - p)
    });
    // `max` would drop a NaN.
    gaps.fold(
        0.0,
        |largest, gap| if gap <= largest { largest } else { gap },
    )
}
