//! Rotations of pairs of numbers by angles of their positions.

use candle_core::{Result, Tensor};

use super::{Argument, Family, Fresh, Grid, device_of, launch};
use crate::rotary::Pairs;

pub(super) const FAMILY: Family = Family {
    name: "rotary",
    fused: true,
    sources: &[include_str!("rotary.cu")],
};

/// The pairs of x, turned by the angles whose cosines and sines are in the tables, for x that is not empty.
pub fn rotate(pairs: &Pairs, x: &Tensor, cosines: &Tensor, sines: &Tensor) -> Result<Fresh> {
    let dtype = x.dtype();
    let mut y = Fresh::new(device_of(x)?, dtype, x.shape())?;
    let count = pairs.heads * pairs.pairs;
    let rows = x.elem_count() / (2 * count);
    let mut arguments = [
        Argument::Read(x),
        Argument::Read(cosines),
        Argument::Read(sines),
        Argument::Write(&mut y),
        Argument::Size(rows),
        Argument::Size(pairs.positions),
        Argument::Size(pairs.heads),
        Argument::Size(pairs.pairs),
        Argument::Size(usize::from(pairs.inverse)),
    ];
    let grid = Grid::over_rows(rows, count);
    launch(&FAMILY, "rotary", dtype, grid, &mut arguments)?;
    Ok(y)
}
