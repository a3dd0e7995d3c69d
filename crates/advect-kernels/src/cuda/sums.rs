//! Sums over the rows of matrices.

use candle_core::{DType, Result, Shape, Tensor};

use super::source::wide;
use super::{Argument, Family, Fresh, Grid, device_of, launch};

pub(super) const FAMILY: Family = Family {
    name: "sums",
    fused: true,
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
    // The sums of pieces are a matrix again, that of one piece is the sum.
    let pieces = rows.div_ceil(PIECE).clamp(1, 1024);
    let (kernel, of_sums, shape) = match pieces {
        1 => ("sums_of_few", dtype, vec![columns]),
        _ => ("sums_of_pieces", wide(dtype), vec![pieces, columns]),
    };
    let mut sums = Fresh::new(device_of(x)?, of_sums, shape)?;
    if columns > 0 {
        let mut arguments = [
            Argument::Read(x),
            Argument::Write(&mut sums),
            Argument::Size(rows),
            Argument::Size(columns),
        ];
        let grid = grid(columns, pieces);
        launch(&FAMILY, kernel, dtype, grid, &mut arguments)?;
    }
    match pieces {
        1 => Ok(sums),
        _ => over_parts(&sums, dtype, pieces, columns),
    }
}

/// The sums over some rows of numbers in the type of arithmetic, as elements of a tensor of a shape.
pub(super) fn over_parts(
    parts: &Fresh,
    dtype: DType,
    rows: usize,
    shape: impl Into<Shape>,
) -> Result<Fresh> {
    let mut sums = Fresh::new(parts.device(), dtype, shape)?;
    of_all([parts, parts], &mut sums, None, rows)?;
    Ok(sums)
}

/// The same of two matrices.
pub(super) fn over_both(
    parts: [Fresh; 2],
    dtype: DType,
    rows: usize,
    shape: &Shape,
) -> Result<[Fresh; 2]> {
    let [x, y] = parts;
    if rows == 1 && x.dtype() == dtype {
        return Ok([x.reshape(shape)?, y.reshape(shape)?]);
    }
    let mut in_x = Fresh::new(x.device(), dtype, shape)?;
    let mut in_y = Fresh::new(y.device(), dtype, shape)?;
    of_all([&x, &y], &mut in_x, Some(&mut in_y), rows)?;
    Ok([in_x, in_y])
}

/// The sums of one matrix or of two.
fn of_all(
    [x, y]: [&Fresh; 2],
    in_x: &mut Fresh,
    in_y: Option<&mut Fresh>,
    rows: usize,
) -> Result<()> {
    let matrices = 1 + usize::from(in_y.is_some());
    let (dtype, columns) = (in_x.dtype(), in_x.count());
    if columns == 0 {
        return Ok(());
    }
    let mut arguments = [
        Argument::Again(x),
        Argument::Again(y),
        Argument::Write(in_x),
        in_y.map_or(Argument::Nothing, Argument::Write),
        Argument::Size(rows),
        Argument::Size(columns),
    ];
    let grid = grid(columns, matrices);
    launch(&FAMILY, "sums_of_all", dtype, grid, &mut arguments)
}
