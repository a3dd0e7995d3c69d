//! `x σ(2u)` with `u = √(2/π) (x + c x³)`, `c = 0.044715`.

use pulp::Simd;

use super::pointwise::Pointwise;
use crate::Float;

/// `√(2/π)`.
const FACTOR: f64 = 0.797_884_560_802_865_4;
const CUBIC: f64 = 0.044_715;

/// x within ±20, `2u`, and its two derivatives. Beyond ±20 σ(2u) is 0 or 1 to all digits, and u² would overflow.
#[inline(always)]
fn inner<T: Float>(x: T) -> (T, T, T, T) {
    let (low, high) = (T::of(-20.0), T::of(20.0));
    let x = if x < low { low } else { x };
    let x = if x > high { high } else { x };
    let (factor, cubic) = (T::of(2.0 * FACTOR), T::of(CUBIC));
    let square = x * x;
    (
        x,
        factor * x * (T::ONE + cubic * square),
        factor * (T::ONE + T::of(3.0) * cubic * square),
        factor * T::of(6.0) * cubic * x,
    )
}

#[derive(Clone, Copy)]
pub(super) struct GeluTanh;

impl Pointwise for GeluTanh {
    const COST: usize = 15;
    const SLOPE_FOLLOWS: bool = false;

    #[inline(always)]
    fn value<S: Simd, T: Float>(x: T) -> T {
        x * inner(x).1.sigmoids::<S>().0
    }

    #[inline(always)]
    fn slope<S: Simd, T: Float>(x: T) -> T {
        let (x, twice_u, twice_du, _) = inner(x);
        let (s, rest) = twice_u.sigmoids::<S>();
        s + x * twice_du * s * rest
    }

    #[inline(always)]
    fn curvature<S: Simd, T: Float>(x: T) -> T {
        let (x, twice_u, twice_du, twice_ddu) = inner(x);
        let (s, rest) = twice_u.sigmoids::<S>();
        let bend = x * (twice_ddu + twice_du * twice_du * (rest - s));
        s * rest * (T::of(2.0) * twice_du + bend)
    }

    #[inline(always)]
    fn slope_at_value<S: Simd, T: Float>(_: T) -> T {
        T::ZERO
    }
}
