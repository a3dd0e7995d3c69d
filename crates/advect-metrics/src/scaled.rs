//! Samples rescaled so that squares neither overflow nor underflow.

use advect_core::Result;
use advect_transport::Points;
use candle_core::Tensor;

/// Magnitudes that can be squared and summed.
const SAFE: std::ops::RangeInclusive<f64> = 1e-100..=1e100;

/// Two clouds divided by one power of two, which is 1 unless they are of extreme size.
pub(crate) struct Scaled {
    pub(crate) x: Points,
    pub(crate) y: Points,
    pub(crate) unit: f64,
}

impl Scaled {
    /// # Errors
    /// As [`Points::pair_named`].
    pub(crate) fn new(x: (&'static str, &Tensor), y: (&'static str, &Tensor)) -> Result<Self> {
        let (x, y) = Points::pair_named(x, y)?;
        let unit = unit(x.largest().max(y.largest()));
        Ok(match unit {
            1.0 => Scaled { x, y, unit },
            _ => Scaled {
                x: x.scaled(1.0 / unit),
                y: y.scaled(1.0 / unit),
                unit,
            },
        })
    }
}

/// A power of two near a magnitude that is too large or too small to be squared, else 1.
pub(crate) fn unit(largest: f64) -> f64 {
    match largest == 0.0 || SAFE.contains(&largest) {
        true => 1.0,
        false => largest.log2().round().clamp(-1000.0, 1000.0).exp2(),
    }
}
