//! `σ(x) = 1 / (1 + e^(−x))`; its slope is `σ (1 − σ)`.

use advect_core::Result;
use advect_kernels::activation::Function;
use candle_core::Tensor;

use super::Composed;

pub(super) struct Sigmoid;

impl Composed for Sigmoid {
    const FUNCTION: Function = Function::Sigmoid;

    fn compose(x: &Tensor) -> Result<Tensor> {
        // By tanh, which overflows nowhere.
        Ok((x * 0.5)?.tanh()?.affine(0.5, 0.5)?)
    }

    fn compose_slope(x: &Tensor) -> Result<Tensor> {
        let s = Sigmoid::compose(x)?;
        Ok((&s * s.affine(-1.0, 1.0)?)?)
    }
}
