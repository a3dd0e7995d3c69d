//! `x Φ(x)`; its slope is `Φ(x) + x φ(x)`, and that one's `φ(x) (2 − x²)`.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use advect_core::Result;
use candle_core::Tensor;
use pulp::Simd;

use super::Pointwise;
use crate::cpu::Float;

/// `Φ(x)`. Not candle's gelu_erf, whose gradient is off by 1e-5.
fn distribution(x: &Tensor) -> Result<Tensor> {
    Ok((x * FRAC_1_SQRT_2)?.erf()?.affine(0.5, 0.5)?)
}

#[derive(Clone, Copy)]
pub(crate) struct Gelu;

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

    fn compose(x: &Tensor) -> Result<Tensor> {
        Ok((x * distribution(x)?)?)
    }

    fn compose_slope(x: &Tensor) -> Result<Tensor> {
        let density = (x.sqr()? * -0.5)?
            .exp()?
            .affine(0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2, 0.0)?;
        Ok((distribution(x)? + (x * density)?)?)
    }
}
