//! Layers of flows: bijections.

mod act_norm;
mod coupling;
mod inverted;
mod invertible_convolution;
mod masked_autoregressive;
mod multi_scale;
mod permutation;
mod residual_block;
mod squeeze;

use advect_core::{Error, Result, check};
use candle_core::Tensor;

pub use act_norm::ActNorm;
pub use coupling::{AffineCoupling, Coupling, SplineCoupling};
pub use inverted::Inverted;
pub use invertible_convolution::InvertibleConvolution;
pub use masked_autoregressive::MaskedAutoregressive;
pub use multi_scale::MultiScale;
pub use permutation::Permutation;
pub(crate) use permutation::check_permutation;
pub use residual_block::ResidualBlock;
pub use squeeze::Squeeze;

/// Checks that samples have a shape, and returns the number of them.
fn check_samples(argument: &'static str, x: &Tensor, shape: &[usize]) -> Result<usize> {
    let batch = check::batch(argument, x)?;
    if x.dims()[1..] != *shape {
        let accepted = format!("(batch, ...) with samples of the shape {shape:?}");
        return Err(Error::shape(argument, x.dims(), accepted));
    }
    check::float(argument, x)?;
    Ok(batch)
}

/// Checks that samples have a number of channels, and returns the number of samples and that of places in a channel.
fn check_channels(argument: &'static str, x: &Tensor, channels: usize) -> Result<(usize, usize)> {
    let batch = check::batch(argument, x)?;
    if x.rank() < 2 || x.dims()[1] != channels {
        let accepted = format!("(batch, {channels}, ...)");
        return Err(Error::shape(argument, x.dims(), accepted));
    }
    check::float(argument, x)?;
    Ok((batch, x.elem_count() / batch / channels))
}

/// A log-determinant of 0 for each sample.
fn volume_preserving(x: &Tensor) -> Result<Tensor> {
    let batch = check::batch("x", x)?;
    Ok(Tensor::zeros(batch, x.dtype(), x.device())?)
}
