//! `max(x, 0)`.

use pulp::Simd;

use super::pointwise::Pointwise;
use crate::Float;

#[derive(Clone, Copy)]
pub(super) struct Relu;

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
}
