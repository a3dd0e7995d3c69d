//! Masks of the known elements of the data.

use advect_core::{Error, Result, check};
use candle_core::{DType, Tensor};

/// A mask of any dtype as one of u8.
///
/// # Errors
/// [`Error::Range`] for numbers other than 0 and 1, [`Error::Empty`] without any.
pub(crate) fn binary(mask: &Tensor) -> Result<Tensor> {
    check::batch("mask", mask)?;
    // By way of f64: a comparison that every dtype has.
    let mask = mask.to_dtype(DType::F64)?;
    let numbers = mask.flatten_all()?.to_vec1::<f64>()?;
    match numbers.iter().find(|&&v| v != 0.0 && v != 1.0) {
        Some(other) => Err(Error::range("mask", other, "0 or 1")),
        None => Ok(mask.to_dtype(DType::U8)?),
    }
}

/// A mask, or what is known, in the shape of states.
///
/// # Errors
/// [`Error::Shape`] naming the argument unless it broadcasts to it.
pub(crate) fn wide(argument: &'static str, y: &Tensor, states: &Tensor) -> Result<Tensor> {
    match y.broadcast_as(states.shape()) {
        Ok(y) => Ok(y.contiguous()?),
        Err(_) => {
            let accepted = format!(
                "a shape that broadcasts to {:?}, that of the states",
                states.dims()
            );
            Err(Error::shape(argument, y.dims(), accepted))
        }
    }
}
