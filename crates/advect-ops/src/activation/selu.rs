//! `λ x` for x > 0, `λ α (e^x − 1)` otherwise (Klambauer et al. 2017, eq. 2 and 14).

use advect_core::Result;
use advect_kernels::activation::Function;
use candle_core::Tensor;

use super::Composed;

const ALPHA: f64 = 1.673_263_242_354_377_2;
const SCALE: f64 = 1.050_700_987_355_480_5;

pub(super) struct Selu;

impl Composed for Selu {
    const FUNCTION: Function = Function::Selu;

    fn compose(x: &Tensor) -> Result<Tensor> {
        Ok((x.elu(ALPHA)? * SCALE)?)
    }

    fn compose_slope(x: &Tensor) -> Result<Tensor> {
        // λ above 0, λ α e^x below.
        let above = x.gt(0.0)?.to_dtype(x.dtype())?;
        let below = (above.affine(-1.0, 1.0)? * super::elu::slope(x)?)?;
        Ok((above.affine(SCALE, 0.0)? + (below * (SCALE * ALPHA))?)?)
    }
}
