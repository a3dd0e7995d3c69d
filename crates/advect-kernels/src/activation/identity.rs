//! `x`.

use pulp::Simd;

use super::pointwise::Pointwise;
use crate::Float;

#[derive(Clone, Copy)]
pub(super) struct Identity;

impl Pointwise for Identity {
    const COST: usize = 1;
    const SLOPE_FOLLOWS: bool = true;

    #[inline(always)]
    fn value<S: Simd, T: Float>(x: T) -> T {
        x
    }

    #[inline(always)]
    fn slope<S: Simd, T: Float>(_: T) -> T {
        T::ONE
    }

    #[inline(always)]
    fn curvature<S: Simd, T: Float>(_: T) -> T {
        T::ZERO
    }

    #[inline(always)]
    fn slope_at_value<S: Simd, T: Float>(_: T) -> T {
        T::ONE
    }
}
