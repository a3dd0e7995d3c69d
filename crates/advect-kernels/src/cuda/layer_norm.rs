//! Layer normalisation and RMS normalisation of rows.

use candle_core::{Result, Tensor};

use super::{Argument, Family, Fresh, Grid, device_of, factors, launch, moments};
use crate::layer_norm::Rows;

pub(super) const FAMILY: Family = Family {
    name: "layer_norm",
    fused: true,
    sources: &[moments::SOURCE, include_str!("layer_norm.cu")],
};

/// Whether rows are a block's each, not a warp's.
fn by_block(rows: &Rows) -> bool {
    rows.width > 1024
}

/// Warps or blocks for rows; they take turns beyond.
fn grid(rows: &Rows) -> Grid {
    let (blocks, threads) = match by_block(rows) {
        true => (rows.rows, 256),
        false => (rows.rows.div_ceil(4), 4 * 32),
    };
    Grid::new(blocks.min(1 << 20), threads)
}

/// The sizes, as both kernels take them.
fn sizes<'a>(rows: &Rows) -> [Argument<'a>; 5] {
    let flags = [rows.centred, by_block(rows)].map(usize::from);
    [rows.rows, rows.width, rows.sharing, flags[0], flags[1]].map(Argument::Size)
}

/// The values, and each row's moments, for x that is not empty.
pub fn forward(
    rows: &Rows,
    x: &Tensor,
    scale: &Tensor,
    shift: Option<&Tensor>,
) -> Result<(Fresh, Fresh)> {
    let (device, dtype) = (device_of(x)?, x.dtype());
    let mut y = Fresh::new(device, dtype, x.shape())?;
    let mut statistics = moments::fresh(device, dtype, rows.rows)?;
    let mut arguments = vec![
        Argument::Read(x),
        Argument::Read(scale),
        shift.map_or(Argument::Nothing, Argument::Read),
        Argument::Write(&mut y),
        Argument::Write(&mut statistics),
    ];
    arguments.extend(sizes(rows));
    arguments.push(Argument::Real(rows.epsilon));
    launch(&FAMILY, "layer_norm", dtype, grid(rows), &mut arguments)?;
    Ok((y, statistics))
}

/// The gradient of x, for x that is not empty.
pub fn backward(rows: &Rows, [x, scale, statistics, gradient]: [&Tensor; 4]) -> Result<Fresh> {
    let dtype = x.dtype();
    let mut dx = Fresh::new(device_of(x)?, dtype, x.shape())?;
    let mut arguments = [x, scale, statistics, gradient]
        .map(Argument::Read)
        .into_iter()
        .collect::<Vec<_>>();
    arguments.push(Argument::Write(&mut dx));
    arguments.extend(sizes(rows));
    let kernel = "layer_norm_backward";
    launch(&FAMILY, kernel, dtype, grid(rows), &mut arguments)?;
    Ok(dx)
}

/// The gradients of scale and shift, for x that is not empty.
pub fn affine(rows: &Rows, [x, scale, statistics, gradient]: [&Tensor; 4]) -> Result<[Fresh; 2]> {
    factors::of_affine(gradient, x, statistics, scale, rows.sharing)
}
