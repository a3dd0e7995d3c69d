//! Normalised rows by candle's operations: the part that layer and group normalisation have in common.

use advect_core::Result;
use candle_core::{D, DType, Tensor};

use crate::Value;

/// Magnitudes up to which rows are taken as they are: their squares and sums overflow in no type.
const ORDINARY: f64 = (1u64 << 30) as f64;

/// Returns `(x − mean) / √(mean square + ε)` over the last dimension of x, in f32 or f64; the mean is 0 unless
/// `centred`.
pub(crate) fn normal_rows<V: Value>(x: &V, centred: bool, epsilon: f64) -> Result<V> {
    if x.primal().elem_count() == 0 {
        return Ok(x.clone());
    }
    // x / s with ε / s² gives the same for any s, which is therefore a constant.
    let largest = x.primal().detach().abs()?.max_keepdim(D::Minus1)?;
    let scale = (largest / ORDINARY)?.maximum(1.0)?;
    let smallest = match x.primal().dtype() {
        _ if epsilon == 0.0 => 0.0,
        DType::F64 => f64::MIN_POSITIVE,
        _ => f32::MIN_POSITIVE.into(),
    };
    // Where it is negligible, zeros are still not to be divided by 0.
    let epsilon = ((scale.recip()? * epsilon)? / &scale)?.maximum(smallest)?;
    let mut rows = x.map_linear(|x| Ok(x.broadcast_div(&scale)?))?;
    if centred {
        let mean = rows.map_linear(|x| Ok(x.mean_keepdim(D::Minus1)?.neg()?))?;
        rows = rows.plus(&mean)?;
    }
    let squares = rows.times(&rows)?;
    let variance = squares.map_linear(|x| Ok(x.mean_keepdim(D::Minus1)?))?;
    let root = |v: &Tensor| -> Result<Tensor> { Ok((v + &epsilon)?.sqrt()?.recip()?) };
    let slope = |v: &Tensor| Ok((root(v)? * (v + &epsilon)?.recip()?)?.affine(-0.5, 0.0)?);
    rows.times(&variance.map_elements(root, slope)?)
}
