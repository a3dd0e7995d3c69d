//! `λ x` for x > 0, `λ α (e^x − 1)` otherwise (Klambauer et al. 2017, eq. 2 and 14).

use pulp::Simd;

use super::pointwise::Pointwise;
use crate::Float;

const ALPHA: f64 = 1.673_263_242_354_377_2;
const SCALE: f64 = 1.050_700_987_355_480_5;

#[derive(Clone, Copy)]
pub(super) struct Selu;

impl Pointwise for Selu {
    const COST: usize = 6;
    const SLOPE_FOLLOWS: bool = true;

    #[inline(always)]
    fn value<S: Simd, T: Float>(x: T) -> T {
        let below = T::of(SCALE * ALPHA) * x.expm1_below::<S>();
        if x > T::ZERO { T::of(SCALE) * x } else { below }
    }

    #[inline(always)]
    fn slope<S: Simd, T: Float>(x: T) -> T {
        let below = T::of(SCALE * ALPHA) * (x.expm1_below::<S>() + T::ONE);
        if x > T::ZERO { T::of(SCALE) } else { below }
    }

    #[inline(always)]
    fn curvature<S: Simd, T: Float>(x: T) -> T {
        let below = T::of(SCALE * ALPHA) * (x.expm1_below::<S>() + T::ONE);
        if x > T::ZERO { T::ZERO } else { below }
    }

    #[inline(always)]
    fn slope_at_value<S: Simd, T: Float>(y: T) -> T {
        let below = y + T::of(SCALE * ALPHA);
        if y > T::ZERO { T::of(SCALE) } else { below }
    }
}
