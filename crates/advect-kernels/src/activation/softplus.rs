//! `ln(1 + e^x) = max(x, 0) + ln(1 + e^(−|x|))`; its slope is `σ(x) = 1 − e^(−y)`.

use pulp::Simd;

use super::pointwise::Pointwise;
use crate::Float;

#[derive(Clone, Copy)]
pub(super) struct Softplus;

impl Pointwise for Softplus {
    const COST: usize = 15;
    const SLOPE_FOLLOWS: bool = true;

    #[inline(always)]
    fn value<S: Simd, T: Float>(x: T) -> T {
        x.softplus::<S>()
    }

    #[inline(always)]
    fn slope<S: Simd, T: Float>(x: T) -> T {
        x.sigmoids::<S>().0
    }

    #[inline(always)]
    fn curvature<S: Simd, T: Float>(x: T) -> T {
        let (s, rest) = x.sigmoids::<S>();
        s * rest
    }

    #[inline(always)]
    fn slope_at_value<S: Simd, T: Float>(y: T) -> T {
        -(-y).expm1_below::<S>()
    }
}
