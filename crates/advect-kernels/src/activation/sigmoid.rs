//! `σ(x) = 1 / (1 + e^(−x))`; its slope is `σ (1 − σ)`.

use pulp::Simd;

use super::pointwise::Pointwise;
use crate::Float;

#[derive(Clone, Copy)]
pub(super) struct Sigmoid;

impl Pointwise for Sigmoid {
    const COST: usize = 10;
    const SLOPE_FOLLOWS: bool = true;

    #[inline(always)]
    fn value<S: Simd, T: Float>(x: T) -> T {
        x.sigmoids::<S>().0
    }

    #[inline(always)]
    fn slope<S: Simd, T: Float>(x: T) -> T {
        let (s, rest) = x.sigmoids::<S>();
        s * rest
    }

    #[inline(always)]
    fn curvature<S: Simd, T: Float>(x: T) -> T {
        let (s, rest) = x.sigmoids::<S>();
        s * rest * (rest - s)
    }

    #[inline(always)]
    fn slope_at_value<S: Simd, T: Float>(y: T) -> T {
        y * (T::ONE - y)
    }
}
