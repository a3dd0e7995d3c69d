//! Samples and integrals packed as the columns of one tensor, for adjoints.

use std::sync::Arc;

use advect_core::{Field, Jvp, Result, Time, check, shape};
use candle_core::{DType, Tensor};

use super::{Divergence, Flow};

/// A flow as a field on states `(batch, d + integrals)`.
pub(super) struct Packed<F, D> {
    flow: Arc<Flow<F, D>>,
    /// The shape of the samples.
    dims: Vec<usize>,
    /// That the field is evaluated in.
    dtype: DType,
}

impl<F: Jvp, D: Divergence> Packed<F, D> {
    /// On samples like these.
    pub(super) fn new(flow: &Arc<Flow<F, D>>, x: &Tensor) -> Result<Self> {
        check::batch("x", x)?;
        Ok(Packed {
            flow: Arc::clone(flow),
            dims: x.dims().to_vec(),
            dtype: x.dtype(),
        })
    }

    /// Samples with integrals of 0 beside them.
    pub(super) fn begin(&self, x: &Tensor) -> Result<Tensor> {
        let (x, zeros) = self.flow.begin(x)?;
        Ok(Tensor::cat(&[&x.reshape((self.dims[0], ()))?, &zeros], 1)?)
    }

    /// The samples, in their shape, and the integrals.
    pub(super) fn split(&self, state: &Tensor) -> Result<(Tensor, Tensor)> {
        let columns = self.flow.columns();
        let width = state.dims2()?.1 - columns;
        let x = state.narrow(1, 0, width)?.reshape(self.dims.as_slice())?;
        Ok((x, state.narrow(1, width, columns)?))
    }
}

impl<F: Jvp, D: Divergence> Field for Packed<F, D> {
    fn at(&self, t: &Time, state: &Tensor) -> Result<Tensor> {
        let (x, _) = self.split(state)?;
        let batch = self.dims[0];
        let (value, rates) = self.flow.slopes(t, &x, self.dtype)?;
        let mut parts = vec![value.reshape((batch, ()))?];
        for rate in rates {
            parts.push(shape::column(&rate, 2)?);
        }
        Ok(Tensor::cat(&parts, 1)?)
    }
}
