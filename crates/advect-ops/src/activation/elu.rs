//! `x` for x > 0, `e^x − 1` otherwise.

use advect_core::Result;
use advect_kernels::activation::Function;
use candle_core::Tensor;

use super::Composed;

/// 1 above 0, `e^x` below.
pub(super) fn slope(x: &Tensor) -> Result<Tensor> {
    Ok(x.minimum(&x.zeros_like()?)?.exp()?)
}

pub(super) struct Elu;

impl Composed for Elu {
    const FUNCTION: Function = Function::Elu;

    fn compose(x: &Tensor) -> Result<Tensor> {
        Ok(x.elu(1.0)?)
    }

    fn compose_slope(x: &Tensor) -> Result<Tensor> {
        slope(x)
    }
}
