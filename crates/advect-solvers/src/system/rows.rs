//! States of any batch shape as rows of numbers.

use advect_core::{Error, Result, Time, check};
use candle_core::{DType, Tensor};

use super::evaluate::Argument;

/// How tensors of shape `(…, N)` lie as rows of N numbers, and the dtype in which these are computed.
pub(super) struct Rows<'a> {
    x: &'a Tensor,
    leading: &'a [usize],
    count: usize,
    dtype: DType,
}

impl<'a> Rows<'a> {
    /// The rows of a state of `width` equations.
    pub(super) fn of(x: &'a Tensor, width: usize) -> Result<Self> {
        check::batch("x", x)?;
        check::float("x", x)?;
        let (leading, count) = match x.dims() {
            [leading @ .., last] if *last == width => (leading, x.elem_count() / width),
            dims => return Err(Error::shape("x", dims, format!("(…, {width})"))),
        };
        let dtype = match x.dtype() {
            DType::F64 => DType::F64,
            _ => DType::F32,
        };
        Ok(Rows {
            x,
            leading,
            count,
            dtype,
        })
    }

    pub(super) fn state(&self) -> Result<Argument> {
        self.alike(self.x)
    }

    /// A tensor that is shaped like the state.
    pub(super) fn alike(&self, x: &Tensor) -> Result<Argument> {
        let x = x.to_dtype(self.dtype)?;
        Ok(Argument::Rows(match x.rank() {
            2 => x,
            _ => x.reshape((self.count, x.elem_count() / self.count))?,
        }))
    }

    /// A time for all rows, or the time of each sample, `x[i]`, for its rows.
    pub(super) fn time(&self, t: &Time) -> Result<Argument> {
        let times = match t {
            Time::Shared(t) => return Ok(Argument::Numbers(vec![check::finite_number("t", *t)?])),
            Time::PerSample(times) => times,
        };
        let [samples, inner @ ..] = self.leading else {
            return Err(Error::shape(
                "t",
                times.dims(),
                "one time for all, for a state of rank 1",
            ));
        };
        t.fits(*samples)?;
        let times = self.here(times)?;
        Ok(Argument::Rows(match inner {
            [] => times,
            _ => {
                let each = (*samples, self.count / samples);
                times
                    .reshape((*samples, 1))?
                    .broadcast_as(each)?
                    .reshape(self.count)?
            }
        }))
    }

    /// A tensor of shape `(width,)`, the same for all rows, or of one that broadcasts to that of the state but for the last dimension.
    pub(super) fn broadcast(&self, argument: &'static str, x: &Tensor) -> Result<Argument> {
        let Some((&width, leading)) = x.dims().split_last() else {
            return Err(Error::shape(argument, &[], "a tensor of rank 1 or more"));
        };
        if leading.is_empty() {
            return Ok(Argument::Shared(self.here(x)?));
        }
        let whole: Vec<usize> = self.leading.iter().copied().chain([width]).collect();
        let mut pairs = leading.iter().rev().zip(self.leading.iter().rev());
        if leading.len() > self.leading.len() || !pairs.all(|(own, all)| own == all || *own == 1) {
            let accepted = format!("({width},), or a shape that broadcasts to {whole:?}");
            return Err(Error::shape(argument, x.dims(), accepted));
        }
        let x = self.here(x)?.broadcast_as(whole)?;
        Ok(Argument::Rows(x.reshape((self.count, width))?))
    }

    /// Rows of outputs, shaped like the state but for the last dimension, in its dtype.
    pub(super) fn back(&self, rows: &Tensor, last: &[usize]) -> Result<Tensor> {
        let rows = rows.to_dtype(self.x.dtype())?;
        let shape: Vec<usize> = self.leading.iter().chain(last).copied().collect();
        match rows.dims() == shape {
            true => Ok(rows),
            false => Ok(rows.reshape(shape)?),
        }
    }

    /// A tensor on the state's device, in the dtype of the computation.
    fn here(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.to_device(self.x.device())?.to_dtype(self.dtype)?)
    }
}
