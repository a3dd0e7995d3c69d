//! Errors measured against tolerances.

use candle_core::{DType, Result, Tensor};

use super::rows::Rows;
use super::{Argument, Family, Fresh, Grid, device_of, launch};
use crate::scaled_error::Total;

pub(super) const FAMILY: Family = Family {
    name: "scaled_error",
    fused: true,
    sources: &[include_str!("scaled_error.cu")],
};

/// The totals of the ratios `e / (atol + rtol · max(|x|, |y|))` of each row of `width` elements. It waits for the device.
pub fn scaled_errors(
    [error, x, y]: [&Tensor; 3],
    rtol: f64,
    atol: f64,
    width: usize,
) -> Result<Vec<Total>> {
    let (device, dtype) = (device_of(error)?, error.dtype());
    let rows = Rows::new(error.elem_count(), width);
    let mut totals = Fresh::new(device, DType::F64, (rows.count, rows.pieces, 2))?;
    let mut arguments = vec![
        Argument::Read(error),
        Argument::Read(x),
        Argument::Read(y),
        Argument::Write(&mut totals),
        Argument::Real(rtol),
        Argument::Real(atol),
    ];
    arguments.extend(rows.sizes());
    let kernel = match rows.short {
        true => "ratios_of_rows",
        false => "ratios_of_pieces",
    };
    launch(&FAMILY, kernel, dtype, rows.grid(), &mut arguments)?;
    if rows.pieces > 1 {
        let mut all = Fresh::new(device, DType::F64, (rows.count, 1, 2))?;
        let mut arguments = [
            Argument::Again(&totals),
            Argument::Write(&mut all),
            Argument::Size(rows.pieces),
        ];
        let grid = Grid::new(rows.count, 256);
        launch(&FAMILY, "totals_of_pieces", dtype, grid, &mut arguments)?;
        totals = all;
    }
    let numbers = totals.into_tensor().flatten_all()?.to_vec1::<f64>()?;
    let total = |pair: &[f64]| Total {
        squares: pair[0],
        largest: pair[1],
    };
    Ok(numbers.chunks_exact(2).map(total).collect())
}
