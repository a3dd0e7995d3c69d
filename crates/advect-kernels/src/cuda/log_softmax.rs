//! The logarithm of softmax at chosen elements.

use candle_core::{Result, Shape, Tensor};

use super::softmax::MAXIMA;
use super::source::wide;
use super::{Argument, Family, Fresh, Grid, device_of, launch};

pub(super) const FAMILY: Family = Family {
    name: "log_softmax",
    fused: true,
    sources: &[MAXIMA, include_str!("log_softmax.cu")],
};

/// The values, in the shape of rows, and what the backward pass needs of each row, for x that is not empty. `chosen` is an index of i64
/// for each row; where it isn't one of the row's elements, the value and the gradient are NaN.
pub fn forward(x: &Tensor, chosen: &Tensor) -> Result<(Fresh, Fresh)> {
    let (device, dtype) = (device_of(x)?, x.dtype());
    let [rows, width] = sizes(x, chosen);
    let shape = Shape::from(&x.dims()[..x.rank().saturating_sub(1)]);
    let mut y = Fresh::new(device, dtype, shape)?;
    let mut statistics = Fresh::new(device, wide(dtype), (rows, 2))?;
    let by_block = width > 1024;
    let mut arguments = [
        Argument::Read(x),
        Argument::Read(chosen),
        Argument::Write(&mut y),
        Argument::Write(&mut statistics),
        Argument::Size(rows),
        Argument::Size(width),
        Argument::Size(usize::from(by_block)),
    ];
    let (blocks, threads) = match by_block {
        true => (rows, 256),
        false => (rows.div_ceil(4), 4 * 32),
    };
    let grid = Grid::new(blocks.min(1 << 20), threads);
    launch(&FAMILY, "log_softmax_at", dtype, grid, &mut arguments)?;
    Ok((y, statistics))
}

/// The gradient of x, given what the value was computed from and its gradient.
pub fn backward([x, chosen, statistics, gradient]: [&Tensor; 4]) -> Result<Fresh> {
    let dtype = x.dtype();
    let [rows, width] = sizes(x, chosen);
    let mut dx = Fresh::new(device_of(x)?, dtype, x.shape())?;
    let mut arguments = [
        Argument::Read(x),
        Argument::Read(chosen),
        Argument::Read(statistics),
        Argument::Read(gradient),
        Argument::Write(&mut dx),
        Argument::Size(rows),
        Argument::Size(width),
    ];
    let (kernel, grid) = ("log_softmax_at_backward", Grid::over_rows(rows, width));
    launch(&FAMILY, kernel, dtype, grid, &mut arguments)?;
    Ok(dx)
}

/// The number of rows, and their width.
fn sizes(x: &Tensor, chosen: &Tensor) -> [usize; 2] {
    let rows = chosen.elem_count();
    [rows, x.elem_count() / rows.max(1)]
}
