//! What comes after the products of fully connected layers.

use candle_core::{Result, Tensor};

use super::{Argument, Family, Fresh, Grid, activation, device_of, launch, sums};
use crate::activation::Function;

pub(super) const FAMILY: Family = Family {
    name: "layers",
    fused: true,
    sources: &[activation::SOURCE, include_str!("layers.cu")],
};

/// Returns `f(x + bias)` of rows, or `f'(x + bias)` times a gradient. The rows are as wide as the last dimension of x.
pub fn layer(
    function: Function,
    x: &Tensor,
    bias: Option<&Tensor>,
    gradient: Option<&Tensor>,
) -> Result<Fresh> {
    let (dtype, count) = (x.dtype(), x.elem_count());
    let columns = x.dims().last().copied().unwrap_or(1);
    let mut y = Fresh::new(device_of(x)?, dtype, x.shape())?;
    let read = |x: Option<_>| x.map_or(Argument::Nothing, Argument::Read);
    let mut arguments = [
        Argument::Read(x),
        read(bias),
        read(gradient),
        Argument::Write(&mut y),
        Argument::Size(count),
        Argument::Size(columns),
        Argument::Size(function as usize),
    ];
    let grid = Grid::over_packs(count, columns);
    launch(&FAMILY, "layer", dtype, grid, &mut arguments)?;
    Ok(y)
}

/// The sums over the rows of x, like a bias: its gradient.
pub fn bias_gradient(x: &Tensor, bias: &Tensor) -> Result<Fresh> {
    sums::over_rows(x, bias.elem_count())
}
