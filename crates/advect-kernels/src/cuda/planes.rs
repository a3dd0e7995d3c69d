//! Images enlarged and shrunk.

use candle_core::{Result, Shape, Tensor};

use super::{Argument, Family, Fresh, Grid, device_of, launch};

pub(super) const FAMILY: Family = Family {
    name: "planes",
    fused: true,
    sources: &[include_str!("planes.cu")],
};

/// Elements from which on a block is summed by a warp.
const MANY: usize = 32;

/// Each pixel of images times a weight, repeated by factors along height and width, for images of a width.
pub fn spread(
    x: &Tensor,
    shape: impl Into<Shape>,
    width: usize,
    [high, wide]: [usize; 2],
    weight: f64,
) -> Result<Fresh> {
    let mut y = Fresh::new(device_of(x)?, x.dtype(), shape)?;
    let count = y.count();
    let mut arguments = [
        Argument::Read(x),
        Argument::Write(&mut y),
        Argument::Size(count),
        Argument::Size(width),
        Argument::Size(high),
        Argument::Size(wide),
        Argument::Real(weight),
    ];
    // Threads write several pixels of a row at once.
    let grid = Grid::over_packs(count, width * wide);
    launch(&FAMILY, "spread", x.dtype(), grid, &mut arguments)?;
    Ok(y)
}

/// The sums over blocks of pixels, of the factors' sizes, times a weight, for results of a width.
pub fn gather(
    x: &Tensor,
    shape: impl Into<Shape>,
    width: usize,
    [high, wide]: [usize; 2],
    weight: f64,
) -> Result<Fresh> {
    let mut y = Fresh::new(device_of(x)?, x.dtype(), shape)?;
    let (count, by_warp) = (y.count(), high * wide >= MANY);
    let mut arguments = [
        Argument::Read(x),
        Argument::Write(&mut y),
        Argument::Size(count),
        Argument::Size(width),
        Argument::Size(high),
        Argument::Size(wide),
        Argument::Real(weight),
        Argument::Size(usize::from(by_warp)),
    ];
    let grid = Grid::over(if by_warp { 32 * count } else { count });
    launch(&FAMILY, "gather", x.dtype(), grid, &mut arguments)?;
    Ok(y)
}
