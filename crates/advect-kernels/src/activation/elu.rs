//! `x` for x > 0, `e^x − 1` otherwise.

use pulp::Simd;

use super::pointwise::Pointwise;
use crate::Float;

#[derive(Clone, Copy)]
pub(super) struct Elu;

impl Pointwise for Elu {
    const COST: usize = 6;
    const SLOPE_FOLLOWS: bool = true;

    #[inline(always)]
    fn value<S: Simd, T: Float>(x: T) -> T {
        let below = x.expm1_below::<S>();
        if x > T::ZERO { x } else { below }
    }

    #[inline(always)]
    fn slope<S: Simd, T: Float>(x: T) -> T {
        let below = x.expm1_below::<S>() + T::ONE;
        if x > T::ZERO { T::ONE } else { below }
    }

    #[inline(always)]
    fn curvature<S: Simd, T: Float>(x: T) -> T {
        let below = x.expm1_below::<S>() + T::ONE;
        if x > T::ZERO { T::ZERO } else { below }
    }

    #[inline(always)]
    fn slope_at_value<S: Simd, T: Float>(y: T) -> T {
        if y > T::ZERO { T::ONE } else { y + T::ONE }
    }
}
