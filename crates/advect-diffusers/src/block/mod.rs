//! The blocks of diffusers' networks of images, with its names of parameters.

mod attention;
mod positional;
mod resample;
mod residual;

use advect_core::Result;
use advect_ops::Value;

pub(crate) use attention::Attention;
pub(crate) use positional::{Positional, ordered};
pub(crate) use resample::{Doubling, Halving, Resample};
pub(crate) use residual::{Residual, ResidualConfig};

/// A value over a number.
pub(crate) fn divided<V: Value>(x: V, divisor: f64) -> Result<V> {
    match divisor {
        1.0 => Ok(x),
        divisor => x.map_linear(|x| Ok((x / divisor)?)),
    }
}
