//! `tanh x`; its slope is `1 − tanh² x`.

use advect_core::Result;
use advect_kernels::activation::Function;
use candle_core::Tensor;

use super::Composed;

pub(super) struct Tanh;

impl Composed for Tanh {
    const FUNCTION: Function = Function::Tanh;

    fn compose(x: &Tensor) -> Result<Tensor> {
        Ok(x.tanh()?)
    }

    fn compose_slope(x: &Tensor) -> Result<Tensor> {
        Ok(x.tanh()?.sqr()?.affine(-1.0, 1.0)?)
    }
}
