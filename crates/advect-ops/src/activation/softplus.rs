//! `ln(1 + e^x) = max(x, 0) + ln(1 + e^(−|x|))`; its slope is `σ(x) = 1 − e^(−y)`.

use advect_core::Result;
use advect_kernels::activation::Function;
use candle_core::Tensor;

use super::Composed;

pub(super) struct Softplus;

impl Composed for Softplus {
    const FUNCTION: Function = Function::Softplus;

    fn compose(x: &Tensor) -> Result<Tensor> {
        Ok((x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?)?)
    }

    fn compose_slope(x: &Tensor) -> Result<Tensor> {
        super::sigmoid::Sigmoid::compose(x)
    }
}
