//! `x σ(2u)` with `u = √(2/π) (x + c x³)`, `c = 0.044715`.

use advect_core::Result;
use advect_kernels::activation::Function;
use candle_core::Tensor;

use super::Composed;

/// `√(2/π)`.
const FACTOR: f64 = 0.797_884_560_802_865_4;
const CUBIC: f64 = 0.044_715;

/// `2u` by candle's operations.
fn argument(x: &Tensor) -> Result<Tensor> {
    Ok((x * x.sqr()?.affine(2.0 * FACTOR * CUBIC, 2.0 * FACTOR)?)?)
}

pub(super) struct GeluTanh;

impl Composed for GeluTanh {
    const FUNCTION: Function = Function::GeluTanh;

    fn compose(x: &Tensor) -> Result<Tensor> {
        let s = super::sigmoid::Sigmoid::compose(&argument(x)?)?;
        Ok((x * s)?)
    }

    fn compose_slope(x: &Tensor) -> Result<Tensor> {
        let slope = x.sqr()?.affine(6.0 * FACTOR * CUBIC, 2.0 * FACTOR)?;
        let s = super::sigmoid::Sigmoid::compose(&argument(x)?)?;
        let rest = s.affine(-1.0, 1.0)?;
        Ok((&s * ((x * slope)? * rest)?.affine(1.0, 1.0)?)?)
    }
}
