//! Sinusoids of steps.

use advect_core::Result;
use advect_ops::{Value, sinusoids};
use candle_core::Tensor;

/// Sines and cosines of `ω_k t`, `ω_k = 10000^(−k / (n − shift))`, for n frequencies, half as many as features. diffusers
/// calls it `Timesteps`.
#[derive(Debug, Clone)]
pub(crate) struct Positional {
    frequencies: Vec<f64>,
    cosines_first: bool,
    /// The zeros after the sinusoids.
    padding: usize,
}

impl Positional {
    pub(crate) fn new(features: usize, shift: f64, cosines_first: bool) -> Self {
        let half = features / 2;
        let step = -(10_000f64.ln()) / (half as f64 - shift);
        Positional {
            frequencies: (0..half).map(|k| (step * k as f64).exp()).collect(),
            cosines_first,
            padding: features % 2,
        }
    }

    /// The features of times `(n,)` in f64: `(n, features)`, like x.
    pub(crate) fn of<V: Value>(&self, t: &V, x: &Tensor) -> Result<V> {
        let pairs = sinusoids(t, &self.frequencies)?;
        let pairs = ordered(&pairs, self.cosines_first, x)?;
        match self.padding {
            0 => Ok(pairs),
            more => pairs.map_linear(|y| Ok(y.pad_with_zeros(1, 0, more)?)),
        }
    }
}

/// Cosines, then sines, or the other way round, with the dtype and device of x.
pub(crate) fn ordered<V: Value>(pairs: &V, cosines_first: bool, x: &Tensor) -> Result<V> {
    let half = pairs.primal().dims()[1] / 2;
    pairs.map_linear(|y| {
        let y = match cosines_first {
            true => y.clone(),
            false => Tensor::cat(&[y.narrow(1, half, half)?, y.narrow(1, 0, half)?], 1)?,
        };
        Ok(y.to_device(x.device())?.to_dtype(x.dtype())?)
    })
}
