//! Squared errors of samples.

use candle_core::{Result, Tensor};

use super::rows::Rows;
use super::source::wide;
use super::{Argument, Family, Fresh, Grid, device_of, launch, sums};

pub(super) const FAMILY: Family = Family {
    name: "squared_errors",
    fused: true,
    sources: &[include_str!("squared_errors.cu")],
};

/// Elements of a sample.
fn width(x: &Tensor) -> usize {
    x.elem_count() / x.dims()[0]
}

/// `Σ (x − y)²` of each sample, in the type of sums, for batches that are not empty.
pub fn forward([x, y]: [&Tensor; 2]) -> Result<Fresh> {
    let dtype = x.dtype();
    let rows = Rows::new(x.elem_count(), width(x));
    let shape = match rows.pieces {
        1 => vec![rows.count],
        pieces => vec![pieces, rows.count],
    };
    let mut parts = Fresh::new(device_of(x)?, wide(dtype), shape)?;
    let mut arguments = vec![
        Argument::Read(x),
        Argument::Read(y),
        Argument::Write(&mut parts),
    ];
    arguments.extend(rows.sizes());
    let kernel = match rows.short {
        true => "errors_of_rows",
        false => "errors_of_pieces",
    };
    launch(&FAMILY, kernel, dtype, rows.grid(), &mut arguments)?;
    match rows.pieces {
        1 => Ok(parts),
        pieces => sums::over_parts(&parts, wide(dtype), pieces, rows.count),
    }
}

/// The gradients of x and y that are wanted, given those of the sums.
pub fn backward(
    [x, y]: [&Tensor; 2],
    gradient: &Tensor,
    wanted: [bool; 2],
) -> Result<[Option<Fresh>; 2]> {
    let (device, dtype, count) = (device_of(x)?, x.dtype(), x.elem_count());
    let fresh = |wanted: bool| {
        let fresh = || Fresh::new(device, dtype, x.shape());
        wanted.then(fresh).transpose()
    };
    let (mut dx, mut dy) = (fresh(wanted[0])?, fresh(wanted[1])?);
    let mut arguments = [
        Argument::Read(x),
        Argument::Read(y),
        Argument::Read(gradient),
        dx.as_mut().map_or(Argument::Nothing, Argument::Write),
        dy.as_mut().map_or(Argument::Nothing, Argument::Write),
        Argument::Size(count),
        Argument::Size(width(x)),
    ];
    launch(
        &FAMILY,
        "differences",
        dtype,
        Grid::over(count),
        &mut arguments,
    )?;
    Ok([dx, dy])
}
