//! `x`.

use advect_core::Result;
use advect_kernels::activation::Function;
use candle_core::Tensor;

use super::Composed;

pub(super) struct Identity;

impl Composed for Identity {
    const FUNCTION: Function = Function::Identity;

    fn compose(x: &Tensor) -> Result<Tensor> {
        Ok(x.clone())
    }

    fn compose_slope(x: &Tensor) -> Result<Tensor> {
        Ok(x.ones_like()?)
    }
}
