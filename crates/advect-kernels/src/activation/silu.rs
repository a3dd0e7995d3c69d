//! `x σ(x)`; its slope is `σ (1 + x (1 − σ))`.

use pulp::Simd;

use super::pointwise::Pointwise;
use crate::Float;

#[derive(Clone, Copy)]
pub(super) struct Silu;

impl Pointwise for Silu {
    const COST: usize = 10;
    const SLOPE_FOLLOWS: bool = false;

    #[inline(always)]
    fn value<S: Simd, T: Float>(x: T) -> T {
        x * x.sigmoids::<S>().0
    }

    #[inline(always)]
    fn slope<S: Simd, T: Float>(x: T) -> T {
        let (s, rest) = x.sigmoids::<S>();
        s * (T::ONE + x * rest)
    }

    #[inline(always)]
    fn curvature<S: Simd, T: Float>(x: T) -> T {
        let (s, rest) = x.sigmoids::<S>();
        s * rest * (T::of(2.0) + x * (rest - s))
    }

    #[inline(always)]
    fn slope_at_value<S: Simd, T: Float>(_: T) -> T {
        T::ZERO
    }
}
