//! Dropping features.

use advect_core::{Generator, Key, Result};
use advect_ops::Value;
use candle_core::{DType, Device};

/// Sets each number to 0 with a probability, and divides the others by that of staying (Srivastava et al. 2014); which,
/// the key says.
pub(super) fn drop_features<V: Value>(x: &V, probability: f64, key: Key) -> Result<V> {
    if probability == 0.0 {
        return Ok(x.clone());
    }
    let primal = x.primal();
    let uniform =
        Generator::from(key).uniform(0.0..1.0, primal.shape(), DType::F32, &Device::Cpu)?;
    let kept = uniform.ge(probability)?.to_dtype(primal.dtype())?;
    let factor = match probability < 1.0 {
        true => 1.0 / (1.0 - probability),
        false => 0.0,
    };
    let mask = (kept * factor)?.to_device(primal.device())?;
    x.times(&V::constant(mask))
}
