//! `tanh x`; its slope is `1 − tanh² x`.

use pulp::Simd;

use super::pointwise::Pointwise;
use crate::Float;

#[derive(Clone, Copy)]
pub(super) struct Tanh;

impl Pointwise for Tanh {
    const COST: usize = 10;
    const SLOPE_FOLLOWS: bool = true;

    #[inline(always)]
    fn value<S: Simd, T: Float>(x: T) -> T {
        x.tanh::<S>()
    }

    #[inline(always)]
    fn slope<S: Simd, T: Float>(x: T) -> T {
        let y = x.tanh::<S>();
        T::ONE - y * y
    }

    #[inline(always)]
    fn curvature<S: Simd, T: Float>(x: T) -> T {
        let y = x.tanh::<S>();
        T::of(-2.0) * y * (T::ONE - y * y)
    }

    #[inline(always)]
    fn slope_at_value<S: Simd, T: Float>(y: T) -> T {
        T::ONE - y * y
    }
}
