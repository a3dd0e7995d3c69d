//! Sums and concatenations that preserve magnitudes (Karras et al. 2024, eqs. 88 and 103).

use advect_core::Result;
use advect_ops::Value;

/// The root mean square of `silu(x)` at a standard normal x (eq. 81), as published networks round it. What follows a SiLU divides
/// by it.
pub(super) const SILU: f64 = 0.596;

/// The factors of two values in their sum (eq. 88): 1 − t and t, divided by the size of the two.
pub(super) fn shares(t: f64) -> [f64; 2] {
    let size = (1.0 - t).hypot(t);
    [(1.0 - t) / size, t / size]
}

/// A value times a factor.
pub(super) fn times<V: Value>(x: &V, factor: f64) -> Result<V> {
    x.map_linear(|x| Ok((x * factor)?))
}

/// The sum of two values of unit variance, of which t says how much the second counts; shapes broadcast.
pub(super) fn sum<V: Value>(a: &V, b: &V, t: f64) -> Result<V> {
    let [first, second] = shares(t);
    times(a, first)?.plus(&times(b, second)?)
}

/// The concatenation of the channels of two feature maps of unit variance (eq. 103). They count by t, not by the numbers of their channels.
pub(super) fn concatenated<V: Value>(a: &V, b: &V, t: f64) -> Result<V> {
    let channels = |x: &V| x.primal().dims()[1] as f64;
    let (n, m) = (channels(a), channels(b));
    let [first, second] = shares(t);
    let a = times(a, first * ((n + m) / n).sqrt())?;
    let b = times(b, second * ((n + m) / m).sqrt())?;
    V::concatenate(&[&a, &b], 1)
}
