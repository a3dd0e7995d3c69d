//! Shapes of batches `(batch, ...)`: columns that broadcast over samples, reductions within samples.

use candle_core::{D, Tensor};

use crate::{Result, check};

/// Reshapes one value per sample, `(batch,)`, to `(batch, 1, ..., 1)` of the given rank, so that it
/// broadcasts over the samples of a batch.
///
/// # Errors
/// Those of candle if `values` is not of rank 1.
pub fn column(values: &Tensor, rank: usize) -> Result<Tensor> {
    let mut dims = vec![1; rank.max(1)];
    dims[0] = values.dim(0)?;
    Ok(values.reshape(dims)?)
}

/// Sums each sample: `(batch, ...)` to `(batch,)`.
///
/// ```
/// use advect_core::shape;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[1.0f32, 2.0], [3.0, 4.0]], &Device::Cpu)?;
/// assert_eq!(shape::sum_per_sample(&x)?.to_vec1::<f32>()?, [3.0, 7.0]);
/// assert_eq!(shape::mean_per_sample(&x)?.to_vec1::<f32>()?, [1.5, 3.5]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) for a scalar, [`Error::Empty`](crate::Error::Empty) for an
/// empty batch.
pub fn sum_per_sample(x: &Tensor) -> Result<Tensor> {
    let batch = check::batch("x", x)?;
    Ok(x.reshape((batch, ()))?.sum(D::Minus1)?)
}

/// Averages each sample: `(batch, ...)` to `(batch,)`.
///
/// # Errors
/// As [`sum_per_sample`].
pub fn mean_per_sample(x: &Tensor) -> Result<Tensor> {
    let batch = check::batch("x", x)?;
    Ok(x.reshape((batch, ()))?.mean(D::Minus1)?)
}
