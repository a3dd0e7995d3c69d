//! Decoders: the last step of a diffusion's bound, from the least noisy state to the data.
//!
//! | decoder | data |
//! | --- | --- |
//! | [`GaussianDecoder`] | any values: a density |
//! | [`Discretized`] | a grid of levels in [−1, 1], such as the 256 of images: a probability |

mod discretized;
mod gaussian_decoder;

use advect_core::{Error, Result, check, forward_to, shape};
use candle_core::{DType, Tensor};

pub use discretized::Discretized;
pub use gaussian_decoder::GaussianDecoder;

/// The likelihood of data given a Gaussian around it.
pub trait Decoder {
    /// Returns `log p(x1)`, in nats, `(batch,)`, of data `(batch, ...)` under a Gaussian of a mean of the same shape and
    /// a variance for each element, whose logarithms broadcast to that shape. Differentiable in the mean and the
    /// logarithms.
    ///
    /// Data and mean of 16 bits have logarithms in f32.
    ///
    /// # Errors
    /// Typed errors for tensors that do not fit each other, and data that the decoder is not for.
    fn log_likelihood_given(
        &self,
        x1: &Tensor,
        mean: &Tensor,
        log_variance: &Tensor,
    ) -> Result<Tensor>;

    /// Returns `log p(x1)`, as [`Decoder::log_likelihood_given`], for one variance.
    ///
    /// # Errors
    /// As [`Decoder::log_likelihood_given`]; [`Error::Range`] unless the variance is above 0.
    fn log_likelihood(&self, x1: &Tensor, mean: &Tensor, variance: f64) -> Result<Tensor> {
        check::float("x1", x1)?;
        let logarithm = check::positive("variance", variance)?.ln();
        let logarithm = Tensor::new(logarithm, x1.device())?;
        let logarithm = match x1.dtype() {
            DType::F64 => logarithm,
            _ => logarithm.to_dtype(DType::F32)?,
        };
        self.log_likelihood_given(x1, mean, &logarithm)
    }
}

forward_to!([] Decoder {
    fn log_likelihood_given(&self, x1: &Tensor, mean: &Tensor, log_variance: &Tensor) -> Result<Tensor>;
    fn log_likelihood(&self, x1: &Tensor, mean: &Tensor, variance: f64) -> Result<Tensor>;
});

/// Checks what a decoder is given. Returns data, mean and logarithms of one shape, all of at least 32 bits.
fn checked(x1: &Tensor, mean: &Tensor, log_variance: &Tensor) -> Result<[Tensor; 3]> {
    check::batch("x1", x1)?;
    check::float("x1", x1)?;
    check::alike("mean", mean, "x1", x1)?;
    let (x1, mean) = (shape::wide(x1)?, shape::wide(mean)?);
    check::same_kind("log_variance", log_variance, "x1", &x1)?;
    let logs = log_variance.broadcast_as(x1.shape()).map_err(|_| {
        let accepted = format!("a shape that broadcasts to {:?}", x1.dims());
        Error::shape("log_variance", log_variance.dims(), accepted)
    })?;
    Ok([x1, mean, logs])
}
