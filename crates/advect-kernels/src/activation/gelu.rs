//! `x Φ(x)`; its slope is `Φ(x) + x φ(x)`, and its curvature is `φ(x) (2 − x²)`.

use pulp::Simd;

use super::pointwise::Pointwise;
use crate::Float;

#[derive(Clone, Copy)]
pub(super) struct Gelu;

impl Pointwise for Gelu {
    const COST: usize = 15;
    const SLOPE_FOLLOWS: bool = false;

    #[inline(always)]
    fn value<S: Simd, T: Float>(x: T) -> T {
        x * x.normal::<S>().0
    }

    #[inline(always)]
    fn slope<S: Simd, T: Float>(x: T) -> T {
        let (cdf, density) = x.normal::<S>();
        cdf + x * density
    }

    #[inline(always)]
    fn curvature<S: Simd, T: Float>(x: T) -> T {
        // Beyond ±40 the density is 0, and x² would overflow.
        let (low, high) = (T::of(-40.0), T::of(40.0));
        let x = if x < low { low } else { x };
        let x = if x > high { high } else { x };
        x.normal::<S>().1 * (T::of(2.0) - x * x)
    }

    #[inline(always)]
    fn slope_at_value<S: Simd, T: Float>(_: T) -> T {
        T::ZERO
    }
}
