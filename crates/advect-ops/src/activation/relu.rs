//! `max(x, 0)`.

use advect_core::Result;
use candle_core::Tensor;
use pulp::Simd;

use super::Pointwise;
use crate::cpu::Float;

#[derive(Clone, Copy)]
pub(crate) struct Relu;

impl Pointwise for Relu {
    const COST: usize = 1;
    const SLOPE_FOLLOWS: bool = true;

    #[inline(always)]
    fn value<S: Simd, T: Float>(x: T) -> T {
        if x < T::ZERO { T::ZERO } else { x }
    }

    #[inline(always)]
    fn slope<S: Simd, T: Float>(x: T) -> T {
        if x > T::ZERO { T::ONE } else { T::ZERO }
    }

    #[inline(always)]
    fn curvature<S: Simd, T: Float>(_: T) -> T {
        T::ZERO
    }

    #[inline(always)]
    fn slope_at_value<S: Simd, T: Float>(y: T) -> T {
        if y > T::ZERO { T::ONE } else { T::ZERO }
    }

    fn compose(x: &Tensor) -> Result<Tensor> {
        Ok(x.relu()?)
    }

    fn compose_slope(x: &Tensor) -> Result<Tensor> {
        Ok(x.gt(0.0)?.to_dtype(x.dtype())?)
    }
}
