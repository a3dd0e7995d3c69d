//! `x σ(x)`; its slope is `σ (1 + x (1 − σ))`.

use advect_core::Result;
use advect_kernels::activation::Function;
use candle_core::Tensor;

use super::Composed;

pub(super) struct Silu;

impl Composed for Silu {
    const FUNCTION: Function = Function::Silu;

    fn compose(x: &Tensor) -> Result<Tensor> {
        Ok(x.silu()?)
    }

    fn compose_slope(x: &Tensor) -> Result<Tensor> {
        let s = super::sigmoid::Sigmoid::compose(x)?;
        let rest = s.affine(-1.0, 1.0)?;
        Ok((&s * ((x * rest)? + 1.0)?)?)
    }
}
