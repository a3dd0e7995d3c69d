//! Images enlarged and shrunk.

use candle_core::{Result, Shape, Tensor};

use super::{Argument, Family, Fresh, Grid, device_of, launch};

pub(super) const FAMILY: Family = Family {
    name: "planes",
    fused: true,
    sources: &[include_str!("planes.cu")],
};

/// Each pixel of images times a weight, repeated by factors along height and width, for images of a width.
pub fn spread(
    x: &Tensor,
    shape: impl Into<Shape>,
    width: usize,
    factors: [usize; 2],
    weight: f64,
) -> Result<Fresh> {
    run("spread", x, shape.into(), width, factors, weight)
}

/// The sums over blocks of pixels, of the factors' sizes, times a weight, for results of a width.
pub fn gather(
    x: &Tensor,
    shape: impl Into<Shape>,
    width: usize,
    factors: [usize; 2],
    weight: f64,
) -> Result<Fresh> {
    run("gather", x, shape.into(), width, factors, weight)
}

fn run(
    kernel: &'static str,
    x: &Tensor,
    shape: Shape,
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
    // Those that enlarge write several pixels of a row at once.
    let grid = match kernel {
        "spread" => Grid::over_packs(count, width * wide),
        _ => Grid::over(count),
    };
    launch(&FAMILY, kernel, x.dtype(), grid, &mut arguments)?;
    Ok(y)
}
