//! `max(x, 0)`.

use advect_core::Result;
use advect_kernels::activation::Function;
use candle_core::Tensor;

use super::Composed;

pub(super) struct Relu;

impl Composed for Relu {
    const FUNCTION: Function = Function::Relu;

    fn compose(x: &Tensor) -> Result<Tensor> {
        // Of slope 0 at 0, where that of candle's own function is 1.
        Ok(x.le(0.0)?.where_cond(&x.zeros_like()?, x)?)
    }

    fn compose_slope(x: &Tensor) -> Result<Tensor> {
        Ok(x.gt(0.0)?.to_dtype(x.dtype())?)
    }
}
