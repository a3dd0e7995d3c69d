//! Operations on the shapes of batches `(batch, ...)`: columns that broadcast over samples, reductions within samples.

use candle_core::{D, DType, Tensor};

use crate::{Error, Result, check};

/// Reshapes one value per sample, `(batch,)`, to `(batch, 1, ..., 1)` of the given rank, so that it broadcasts over the
/// samples of a batch.
///
/// # Errors
/// [`Error::Shape`] unless `values` is of rank 1.
pub fn column(values: &Tensor, rank: usize) -> Result<Tensor> {
    if values.rank() != 1 {
        return Err(Error::shape("values", values.dims(), "(batch,)"));
    }
    let mut dims = vec![1; rank.max(1)];
    dims[0] = values.dim(0)?;
    Ok(values.reshape(dims)?)
}

/// Returns the unit vectors of labels `(batch,)`: `(batch, width)`, with a 1 at the label. A label that is not in `0..width` has zeros.
///
/// ```
/// use advect_core::shape;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let rows = shape::one_hot(&Tensor::new(&[1u32, 2], &Device::Cpu)?, 2, DType::F32)?;
/// assert_eq!(rows.to_vec2::<f32>()?, [[0.0, 1.0], [0.0, 0.0]]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`] naming `labels` unless they are of rank 1, [`Error::DType`] unless they are integers.
#[doc(alias = "one-hot")]
pub fn one_hot(labels: &Tensor, width: usize, dtype: DType) -> Result<Tensor> {
    let &[batch] = labels.dims() else {
        return Err(Error::shape("labels", labels.dims(), "(batch,)"));
    };
    if !labels.dtype().is_int() {
        return Err(Error::dtype("labels", labels.dtype(), "integers"));
    }
    let labels = labels.to_dtype(DType::I64)?.unsqueeze(1)?;
    let columns = Tensor::arange(0, width as i64, labels.device())?.unsqueeze(0)?;
    let labels = labels.broadcast_as((batch, width))?;
    Ok(labels.broadcast_eq(&columns)?.to_dtype(dtype)?)
}

/// Splits a field's value with twice the channels of a state x, along dimension 1, into its two halves, like x.
///
/// ```
/// use advect_core::shape;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let (x, value) = (Tensor::new(&[[5f32]], &Device::Cpu)?, Tensor::new(&[[1f32, 2.0]], &Device::Cpu)?);
/// let (first, second) = shape::halves("field", &value, &x)?;
/// assert_eq!((first.to_vec2::<f32>()?, second.to_vec2::<f32>()?), (vec![vec![1.0]], vec![vec![2.0]]));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`] naming the argument for a value of another shape.
pub fn halves(argument: &'static str, value: &Tensor, x: &Tensor) -> Result<(Tensor, Tensor)> {
    let channels = x.dims().get(1).copied().unwrap_or(0);
    let mut accepted = x.dims().to_vec();
    if let Some(count) = accepted.get_mut(1) {
        *count *= 2;
    }
    if channels == 0 || value.dims() != accepted {
        let accepted = format!("{accepted:?}, twice the channels of x");
        return Err(Error::shape(argument, value.dims(), accepted));
    }
    let half = |k| value.narrow(1, k * channels, channels)?.contiguous();
    Ok((half(0)?, half(1)?))
}

/// Sums each sample: `(batch, ...)` to `(batch,)`. Samples of 16 bits are summed in f32, and the sums are returned in
/// f32: in 16 bits a sum of ones ends at 256 (bf16) or 2,048 (f16).
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
/// [`Error::Shape`] for a scalar, [`Error::Empty`] for an empty batch, [`Error::DType`] unless x is a float.
pub fn sum_per_sample(x: &Tensor) -> Result<Tensor> {
    Ok(wide_rows(x)?.sum(D::Minus1)?)
}

/// Averages each sample: `(batch, ...)` to `(batch,)`. Samples of 16 bits are averaged in f32.
///
/// # Errors
/// As [`sum_per_sample`].
pub fn mean_per_sample(x: &Tensor) -> Result<Tensor> {
    Ok(wide_rows(x)?.mean(D::Minus1)?)
}

/// Sums the squares of each sample: `(batch, ...)` to `(batch,)`. Samples of 16 bits are widened to f32 before they are
/// squared.
///
/// ```
/// use advect_core::shape;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[300f32, 400.0]], &Device::Cpu)?.to_dtype(DType::F16)?;
/// assert_eq!(shape::sum_squares_per_sample(&x)?.to_vec1::<f32>()?, [250_000.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`sum_per_sample`].
pub fn sum_squares_per_sample(x: &Tensor) -> Result<Tensor> {
    Ok(wide_rows(x)?.sqr()?.sum(D::Minus1)?)
}

/// Converts a tensor of 16 bits to f32 and leaves others as they are. Use it before squares and sums.
///
/// # Errors
/// Errors of candle.
pub fn wide(x: &Tensor) -> Result<Tensor> {
    match x.dtype() {
        DType::F16 | DType::BF16 => cast(x, DType::F32),
        _ => Ok(x.clone()),
    }
}

/// Converts a tensor to another dtype. It also works for tensors without elements, which candle does not convert on
/// CUDA devices.
///
/// # Errors
/// Errors of candle.
#[doc(alias = "to_dtype")]
pub fn cast(x: &Tensor, dtype: DType) -> Result<Tensor> {
    match x.elem_count() {
        0 if x.dtype() != dtype => Ok(Tensor::zeros(x.shape(), dtype, x.device())?),
        _ => Ok(x.to_dtype(dtype)?),
    }
}

/// The samples as rows, of at least 32 bits.
fn wide_rows(x: &Tensor) -> Result<Tensor> {
    check::float("x", x)?;
    wide(&x.reshape((check::batch("x", x)?, ()))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn integers_are_refused() {
        let x = Tensor::zeros((2, 3), DType::U32, &Device::Cpu).unwrap();
        for sums in [sum_per_sample, mean_per_sample, sum_squares_per_sample] {
            assert!(matches!(sums(&x), Err(Error::DType { .. })));
        }
    }

    #[test]
    fn sums_of_16_bits_lose_nothing() {
        for dtype in [DType::BF16, DType::F16] {
            let x = Tensor::ones((2, 4, 1024), dtype, &Device::Cpu).unwrap();
            assert_eq!(
                sum_per_sample(&x).unwrap().to_vec1::<f32>().unwrap(),
                [4096.0; 2]
            );
            assert_eq!(
                mean_per_sample(&x).unwrap().to_vec1::<f32>().unwrap(),
                [1.0; 2]
            );
        }
    }
}
