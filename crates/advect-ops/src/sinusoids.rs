//! Sines and cosines of times, as features for networks.

use std::f64::consts::PI;

use advect_core::{Error, Result, check};
use candle_core::{DType, Tensor};

use crate::Value;
use crate::empty;

/// Returns `cos(ω_k t)` for all frequencies, then `sin(ω_k t)`: `(n,)` times to `(n, 2 · frequencies)` features, in f64
/// so that large phases keep their digits. The features are differentiable.
///
/// ```
/// use advect_ops::{fourier_frequencies, sinusoids};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let t = Tensor::new(&[1.0f64], &Device::Cpu)?;
/// let features = sinusoids(&t, &fourier_frequencies(2)?)?.to_vec2::<f64>()?;
/// for (a, b) in features[0].iter().zip([-1.0, 1.0, 0.0, 0.0]) { // cos π, cos 2π, sin π, sin 2π
///     assert!((a - b).abs() < 1e-15);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`] unless t is `(n,)`, [`Error::DType`] unless it is a float, [`Error::Empty`] without frequencies.
#[doc(alias = "timestep_embedding")]
#[doc(alias = "positional encoding")]
#[doc(alias = "Fourier features")]
pub fn sinusoids<V: Value>(t: &V, frequencies: &[f64]) -> Result<V> {
    let times = t.primal();
    check::float("t", times)?;
    if times.rank() != 1 {
        return Err(Error::shape("t", times.dims(), "(n,)"));
    }
    if frequencies.is_empty() {
        let argument = "frequencies".into();
        return Err(Error::Empty { argument });
    }
    if empty::is_elsewhere(&[times]) {
        let none = (0, 2 * frequencies.len());
        return t.map_linear(|t| Ok(Tensor::zeros(none, DType::F64, t.device())?));
    }
    let shape = (1, frequencies.len());
    let omega = Tensor::from_vec(frequencies.to_vec(), shape, times.device())?;
    let column = |t: &Tensor| t.to_dtype(DType::F64)?.reshape((t.dim(0)?, 1));
    let phase = t.map_linear(|t| Ok(column(t)?.broadcast_mul(&omega)?))?;
    let cos = phase.map_elements(|x| Ok(x.cos()?), |x| Ok(x.sin()?.neg()?))?;
    let sin = phase.map_elements(|x| Ok(x.sin()?), |x| Ok(x.cos()?))?;
    V::concatenate(&[&cos, &sin], 1)
}

/// Returns the frequencies `ω_k = kπ` for k = 1 … `count`: a Fourier series on twice the unit interval, so that both
/// ends differ.
///
/// # Errors
/// [`Error::Range`] for more than fit the memory.
pub fn fourier_frequencies(count: usize) -> Result<Vec<f64>> {
    check::memory("count", &[count], DType::F64)?;
    Ok((1..=count).map(|k| PI * k as f64).collect())
}

/// Returns the frequencies `ω_k = longest^(−k / count)` for k = 0 … `count` − 1: wavelengths from 2π to nearly `2π ·
/// longest` (Vaswani et al. 2017, section 3.5, with `longest` = 10,000; Ho et al. 2020 for times in steps).
///
/// ```
/// # fn main() -> advect_core::Result<()> {
/// let frequencies = advect_ops::sinusoidal_frequencies(4, 10_000.0)?;
/// assert!((frequencies[2] - 0.01).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Range`] for more than fit the memory, and unless `longest` is finite and above 0.
pub fn sinusoidal_frequencies(count: usize, longest: f64) -> Result<Vec<f64>> {
    check::memory("count", &[count], DType::F64)?;
    check::positive("longest", longest)?;
    let frequency = |k: usize| longest.powf(-(k as f64) / count as f64);
    Ok((0..count).map(frequency).collect())
}
