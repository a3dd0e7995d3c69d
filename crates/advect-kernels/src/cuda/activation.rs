//! Activation functions of elements.

use candle_core::{Result, Tensor};

use super::{Argument, Family, Fresh, Grid, device_of, launch};
use crate::activation::{Function, Order};

/// The functions, for the sources of other families too.
pub(super) const SOURCE: &str = include_str!("activation.cu");

pub(super) const FAMILY: Family = Family {
    name: "activation",
    fused: true,
    sources: &[SOURCE, include_str!("elements.cu")],
};

/// The function or one of its derivatives at each element, times factors: none for the value, one for the slope, two for the curvature.
pub fn elements(
    function: Function,
    order: Order,
    x: &Tensor,
    factors: &[&Tensor],
) -> Result<Fresh> {
    let (device, dtype, count) = (device_of(x)?, x.dtype(), x.elem_count());
    let mut y = Fresh::new(device, dtype, x.shape())?;
    let factor = |i: usize| {
        factors
            .get(i)
            .map_or(Argument::Nothing, |x| Argument::Read(x))
    };
    let mut arguments = [
        Argument::Read(x),
        factor(0),
        factor(1),
        Argument::Write(&mut y),
        Argument::Size(count),
        Argument::Size(function as usize),
        Argument::Size(order as usize),
    ];
    launch(
        &FAMILY,
        "elements",
        dtype,
        Grid::over(count),
        &mut arguments,
    )?;
    Ok(y)
}
