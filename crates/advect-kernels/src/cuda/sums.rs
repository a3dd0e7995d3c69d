//! Sums over the rows of matrices.

use candle_core::{DType, Result, Shape, Tensor};

use super::source::wide;
use super::{Argument, Family, Fresh, Grid, device_of, launch};

pub(super) const FAMILY: Family = Family {
    name: "sums",
    sources: &[include_str!("sums.cu")],
};

/// Rows of one piece at most; the pieces' sums are added up by one block then.
const PIECE: usize = 512;

fn grid(columns: usize, pieces: usize) -> Grid {
    Grid {
        blocks: [columns.div_ceil(32), pieces],
        threads: [32, 16],
    }
}

/// The sums over the rows of a matrix of elements, `(rows, columns)`.
pub(super) fn over_rows(x: &Tensor, columns: usize) -> Result<Fresh> {
    let (dtype, rows) = (x.dtype(), x.elem_count() / columns.max(1));
    // The sums of pieces are a matrix again.
    let pieces = rows.div_ceil(PIECE).clamp(1, 1024);
    let mut parts = Fresh::new(device_of(x)?, wide(dtype), (pieces, columns))?;
    if columns > 0 {
        let mut arguments = [
            Argument::Read(x),
            Argument::Write(&mut parts),
            Argument::Size(rows),
            Argument::Size(columns),
        ];
        launch(
            &FAMILY,
            "sums_of_pieces",
            dtype,
            grid(columns, pieces),
            &mut arguments,
        )?;
    }
    over_parts(&parts, dtype, pieces, columns)
}

/// The sums over some rows of numbers in the type of arithmetic, as elements of a tensor of a shape.
pub(super) fn over_parts(
    parts: &Fresh,
    dtype: DType,
    rows: usize,
    shape: impl Into<Shape>,
) -> Result<Fresh> {
    let mut sums = Fresh::new(parts.device(), dtype, shape)?;
    let columns = sums.count();
    if columns > 0 {
        let mut arguments = [
            Argument::Again(parts),
            Argument::Write(&mut sums),
            Argument::Size(rows),
            Argument::Size(columns),
        ];
        launch(
            &FAMILY,
            "sums_of_all",
            dtype,
            grid(columns, 1),
            &mut arguments,
        )?;
    }
    Ok(sums)
}
