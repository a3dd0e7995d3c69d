//! Group normalisation with an activation.

use candle_core::{Error, Result, Tensor};

use super::source::wide;
use super::{Argument, Family, Fresh, Grid, activation, device_of, launch, moments, sums};
use crate::group_norm::Groups;

pub(super) const FAMILY: Family = Family {
    name: "group_norm",
    fused: true,
    sources: &[
        activation::SOURCE,
        moments::SOURCE,
        include_str!("group_norm.cu"),
    ],
};

/// The kernels count a group's elements in 32 bits.
fn check(groups: &Groups) -> Result<()> {
    match groups.channels.saturating_mul(groups.area) > i32::MAX as usize {
        true => Err(Error::Msg(format!(
            "a group norm on CUDA of groups as large as {groups:?}"
        ))
        .bt()),
        false => Ok(()),
    }
}

/// Threads of a block: whole warps, more for larger groups.
fn threads(groups: &Groups) -> usize {
    let count = groups.channels * groups.area;
    (count / 8).next_power_of_two().clamp(32, 512)
}

/// A block for each group of each sample.
fn grid(groups: &Groups, x: &Tensor) -> Grid {
    let count = groups.channels * groups.area;
    Grid::new(x.elem_count() / count, threads(groups))
}

/// The sizes, as all kernels take them.
fn sizes<'a>(groups: &Groups) -> [Argument<'a>; 5] {
    [
        Argument::Size(groups.channels),
        Argument::Size(groups.area),
        Argument::Size(groups.groups),
        Argument::Size(usize::from(groups.adaptive)),
        Argument::Size(groups.function as usize),
    ]
}

/// The values, and each group's moments, for x that is not empty.
pub fn forward(groups: &Groups, [x, scale, shift]: [&Tensor; 3]) -> Result<(Fresh, Fresh)> {
    check(groups)?;
    let (device, dtype) = (device_of(x)?, x.dtype());
    let grid = grid(groups, x);
    let mut y = Fresh::new(device, dtype, x.shape())?;
    let mut statistics = moments::fresh(device, dtype, grid.blocks[0])?;
    let mut arguments = vec![
        Argument::Read(x),
        Argument::Read(scale),
        Argument::Read(shift),
        Argument::Write(&mut y),
        Argument::Write(&mut statistics),
    ];
    arguments.extend(sizes(groups));
    arguments.push(Argument::Real(groups.epsilon));
    launch(&FAMILY, "group_norm", dtype, grid, &mut arguments)?;
    Ok((y, statistics))
}

/// The gradients of x, scale and shift, for x that is not empty.
pub fn backward(
    groups: &Groups,
    [x, scale, shift]: [&Tensor; 3],
    statistics: &Tensor,
    gradient: &Tensor,
) -> Result<[Fresh; 3]> {
    check(groups)?;
    let (device, dtype) = (device_of(x)?, x.dtype());
    let channels = groups.groups * groups.channels;
    let batch = x.elem_count() / (channels * groups.area);
    let mut dx = Fresh::new(device, dtype, x.shape())?;
    let mut in_scale = Fresh::new(device, wide(dtype), (batch, channels))?;
    let mut in_shift = Fresh::new(device, wide(dtype), (batch, channels))?;
    let mut arguments = vec![
        Argument::Read(x),
        Argument::Read(scale),
        Argument::Read(shift),
        Argument::Read(statistics),
        Argument::Read(gradient),
        Argument::Write(&mut dx),
        Argument::Write(&mut in_scale),
        Argument::Write(&mut in_shift),
    ];
    arguments.extend(sizes(groups));
    launch(
        &FAMILY,
        "group_norm_backward",
        dtype,
        grid(groups, x),
        &mut arguments,
    )?;
    // Each sample has its own, or all share one.
    let samples = if groups.adaptive { 1 } else { batch };
    let parts = [in_scale, in_shift];
    let [in_scale, in_shift] = sums::over_both(parts, dtype, samples, scale.shape())?;
    Ok([dx, in_scale, in_shift])
}
