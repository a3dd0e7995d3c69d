//! `x Φ(x)`; its slope is `Φ(x) + x φ(x)`, and its curvature is `φ(x) (2 − x²)`.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use advect_core::Result;
use advect_kernels::activation::Function;
use candle_core::Tensor;

use super::Composed;

/// `Φ(x)`. Not candle's gelu_erf, whose gradient is off by 1e-5.
fn distribution(x: &Tensor) -> Result<Tensor> {
    Ok((x * FRAC_1_SQRT_2)?.erf()?.affine(0.5, 0.5)?)
}

pub(super) struct Gelu;

impl Composed for Gelu {
    const FUNCTION: Function = Function::Gelu;

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
