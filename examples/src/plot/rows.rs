//! Tensors as points.

use advect::prelude::{DType, Result, Tensor};

/// The rows of a tensor of points in the plane, `(points, 2)`.
///
/// # Errors
/// Those of candle.
pub fn rows(points: &Tensor) -> Result<Vec<[f64; 2]>> {
    let rows = points.to_dtype(DType::F64)?.to_vec2::<f64>()?;
    Ok(rows.into_iter().map(|row| [row[0], row[1]]).collect())
}
