//! Residual connections with gates.

use candle_core::{Result, Tensor};

use super::{Argument, Family, Fresh, Grid, device_of, factors, launch};
use crate::gate::GatedRows;

pub(super) const FAMILY: Family = Family {
    name: "gate",
    fused: true,
    sources: &[include_str!("gate.cu")],
};

/// `gate · h`, added to x if there is one, for h that is not empty.
fn gated(rows: &GatedRows, x: Option<&Tensor>, h: &Tensor, gate: &Tensor) -> Result<Fresh> {
    let dtype = h.dtype();
    let mut y = Fresh::new(device_of(h)?, dtype, h.shape())?;
    let mut arguments = [
        x.map_or(Argument::Nothing, Argument::Read),
        Argument::Read(h),
        Argument::Read(gate),
        Argument::Write(&mut y),
        Argument::Size(rows.rows),
        Argument::Size(rows.width),
        Argument::Size(rows.sharing),
    ];
    let grid = Grid::over_rows(rows.rows, rows.width);
    launch(&FAMILY, "add_gated", dtype, grid, &mut arguments)?;
    Ok(y)
}

/// `x + gate · h`.
pub fn forward(rows: &GatedRows, [x, h, gate]: [&Tensor; 3]) -> Result<Fresh> {
    gated(rows, Some(x), h, gate)
}

/// The gradient of h, given that of the value.
pub fn backward(rows: &GatedRows, gate: &Tensor, gradient: &Tensor) -> Result<Fresh> {
    gated(rows, None, gradient, gate)
}

/// The gradient of the gates, given that of the value.
pub fn of_gates(rows: &GatedRows, [h, gate, gradient]: [&Tensor; 3]) -> Result<Fresh> {
    factors::of_factors(gradient, h, gate, rows.sharing)
}
