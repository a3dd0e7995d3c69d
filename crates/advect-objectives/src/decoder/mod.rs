//! Decoders: the last step of a diffusion's bound, from the least noisy state to the data.
//!
//! | decoder | data |
//! | --- | --- |
//! | [`GaussianDecoder`] | any values: a density |
//! | [`Discretized`] | a grid of levels in [−1, 1], such as the 256 of images: a probability |

mod discretized;
mod gaussian_decoder;

use advect_core::normal::log_normalizer;
use advect_core::{Result, check, forward_to};
use advect_ops::squared_errors;
use candle_core::Tensor;

pub use discretized::Discretized;
pub use gaussian_decoder::GaussianDecoder;

/// The likelihood of data given a Gaussian around it.
pub trait Decoder {
    /// Returns `log p(x1)`, in nats, `(batch,)`, of data `(batch, ...)` under a Gaussian of a mean of the same shape
    /// and one variance.
    ///
    /// # Errors
    /// Typed errors for tensors that are not alike, and data that the decoder is not for.
    fn log_likelihood(&self, x1: &Tensor, mean: &Tensor, variance: f64) -> Result<Tensor>;
}

forward_to!([] Decoder {
    fn log_likelihood(&self, x1: &Tensor, mean: &Tensor, variance: f64) -> Result<Tensor>;
});

/// Sums logarithms of densities over each sample: `Σ −½ (x − μ)²/v − ½ ln 2πv`.
fn log_density(x1: &Tensor, mean: &Tensor, variance: f64) -> Result<Tensor> {
    check::float("x1", x1)?;
    check::positive("variance", variance)?;
    let dimensions = x1.elem_count() / check::batch("x1", x1)?;
    let squares = squared_errors(mean, x1)?;
    let constant = log_normalizer(dimensions, variance);
    Ok(squares.affine(-0.5 / variance, constant)?)
}
