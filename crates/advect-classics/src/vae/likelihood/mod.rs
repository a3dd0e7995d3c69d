//! Laws of data given a decoder's output.

mod bernoulli_likelihood;
mod gaussian_likelihood;

use advect_core::{Error, Generator, Result, check};
use candle_core::Tensor;

pub use bernoulli_likelihood::BernoulliLikelihood;
pub use gaussian_likelihood::GaussianLikelihood;

/// The law `p(x|z)` of data given a decoder's output for z. Output and data have as many numbers for each sample.
pub trait Likelihood {
    /// Returns `log p(x|z)`, `(batch,)`, for an output shaped like x.
    ///
    /// # Errors
    /// [`Error`] naming data that the law does not have.
    fn log_likelihood(&self, x: &Tensor, output: &Tensor) -> Result<Tensor>;

    /// Returns the expected data, like the output.
    ///
    /// # Errors
    /// Errors of candle.
    fn mean(&self, output: &Tensor) -> Result<Tensor>;

    /// Draws data, like the output, part of no graph.
    ///
    /// # Errors
    /// Errors of candle.
    fn sample(&self, output: &Tensor, rng: &mut Generator) -> Result<Tensor>;
}

/// Checks that an output is like the data.
fn check_output(x: &Tensor, output: &Tensor) -> Result<()> {
    check::batch("x", x)?;
    check::float("x", x)?;
    check::alike("output", output, "x", x)
}

/// A decoder's output as the data that it stands for.
pub(super) fn like_data(output: &Tensor, x: &Tensor) -> Result<Tensor> {
    if output.rank() == 0
        || output.dims()[0] != x.dims()[0]
        || output.elem_count() != x.elem_count()
    {
        let accepted = format!("{:?}, the shape of x, or one of as many numbers", x.dims());
        return Err(Error::shape("decoder", output.dims(), accepted));
    }
    Ok(output.reshape(x.shape())?)
}
