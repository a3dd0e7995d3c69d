//! Normalisation, sums and concatenations that preserve magnitudes (Karras et al. 2024,
//! eqs. 47 to 103).

use advect_core::Result;
use advect_ops::{Value, with_gradient};
use candle_core::{DType, Tensor};

/// The root mean square of `silu(x)` at a standard normal x (eq. 81), as published networks round it. What follows a SiLU divides
/// by it.
pub(super) const SILU: f64 = 0.596;

/// What is added to root mean squares by which values are divided.
const EPSILON: f64 = 1e-4;

/// A number that changes no sum of squares but 0, whose root then has a slope.
const TINY: f64 = 1e-36;

/// Returns `g x / (ε + √(mean x²))`, where the mean is over a dimension: pixel normalisation (Karras et al. 2018, section 4.2) with the dimension of channels, weight
/// normalisation (eq. 47) with that of a row's weights.
pub(super) fn normalized<V: Value>(x: &V, dim: usize, gain: f64) -> Result<V> {
    let dtype = x.primal().dtype();
    let wide = |x: &Tensor| match dtype {
        DType::F16 | DType::BF16 => Ok(x.to_dtype(DType::F32)?),
        _ => Ok(x.clone()),
    };
    let x = x.map_linear(wide)?;
    let squares = x.times(&x)?;
    let means = squares.map_linear(|x| Ok(x.mean_keepdim(dim)?))?;
    let root = |m: &Tensor| (m + TINY)?.sqrt();
    let factor = |m: &Tensor| Ok(((root(m)? + EPSILON)?.recip()? * gain)?);
    let slope = |m: &Tensor| {
        let root = root(m)?;
        let below = ((&root + EPSILON)?.sqr()? * root)?;
        Ok((below.recip()? * (-0.5 * gain))?)
    };
    let y = x.times(&means.map_elements(factor, slope)?)?;
    y.map_linear(|y| Ok(y.to_dtype(dtype)?))
}

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

/// Limits numbers to `−bound..=bound`.
pub(super) fn clipped<V: Value>(x: &V, bound: f64) -> Result<V> {
    let inside =
        move |x: &Tensor| -> Result<Tensor> { Ok(x.abs()?.le(bound)?.to_dtype(x.dtype())?) };
    let value = |x: &Tensor| {
        let value = x.detach().clamp(-bound, bound)?;
        with_gradient(&value, std::slice::from_ref(x), move |g, inputs| {
            Ok(vec![(g * inside(&inputs[0])?)?])
        })
    };
    x.map_elements(value, |x| inside(&x.detach()))
}
