//! Gradients of factors that rows have in common.

use candle_core::{Result, Tensor};

use super::source::wide;
use super::{Argument, Family, Fresh, Grid, device_of, launch, moments, sums};

pub(super) const FAMILY: Family = Family {
    name: "factors",
    fused: true,
    sources: &[moments::SOURCE, include_str!("factors.cu")],
};

/// Rows that one thread adds up at most.
const FEW: usize = 16;
/// Rows of one piece, and the most pieces of the rows that have factors in common.
const PIECE: usize = 64;
const PIECES: usize = 1024;

/// The gradients of factors of x and of what is added to them: for each group of `sharing` rows, Σ gradient · x and Σ gradient, where each
/// row of x is normalised by its moments. Nothing is empty.
pub(super) fn of_affine(
    gradient: &Tensor,
    x: &Tensor,
    statistics: &Tensor,
    factors: &Tensor,
    sharing: usize,
) -> Result<[Fresh; 2]> {
    let (device, dtype, pieces) = (device_of(x)?, x.dtype(), pieces(sharing));
    let mut totals = Fresh::new(device, wide(dtype), (pieces, factors.elem_count()))?;
    let rows = [gradient, x];
    let products = sums_of_products(rows, Some(statistics), factors, sharing, Some(&mut totals))?;
    sums::over_both([products, totals], dtype, pieces, factors.shape())
}

/// The gradient of factors of x: for each group of `sharing` rows, Σ gradient · x. Nothing is empty.
pub(super) fn of_factors(
    gradient: &Tensor,
    x: &Tensor,
    factors: &Tensor,
    sharing: usize,
) -> Result<Fresh> {
    let products = sums_of_products([gradient, x], None, factors, sharing, None)?;
    sums::over_parts(&products, x.dtype(), pieces(sharing), factors.shape())
}

fn pieces(sharing: usize) -> usize {
    sharing.div_ceil(PIECE).min(PIECES)
}

/// The sums of products over each piece, and those of gradients if there is memory for them.
fn sums_of_products(
    [gradient, x]: [&Tensor; 2],
    statistics: Option<&Tensor>,
    factors: &Tensor,
    sharing: usize,
    totals: Option<&mut Fresh>,
) -> Result<Fresh> {
    let (dtype, count, pieces) = (x.dtype(), factors.elem_count(), pieces(sharing));
    let width = factors.dims().last().copied().unwrap_or(1);
    let groups = count / width;
    let mut products = Fresh::new(device_of(x)?, wide(dtype), (pieces, count))?;
    let mut arguments = vec![
        Argument::Read(gradient),
        Argument::Read(x),
        statistics.map_or(Argument::Nothing, Argument::Read),
        Argument::Write(&mut products),
        totals.map_or(Argument::Nothing, Argument::Write),
        Argument::Size(groups),
        Argument::Size(width),
        Argument::Size(sharing),
    ];
    if sharing <= FEW {
        let (kernel, grid) = ("sums_of_few_products", Grid::over(count));
        launch(&FAMILY, kernel, dtype, grid, &mut arguments)?;
        return Ok(products);
    }
    arguments.push(Argument::Size(sharing.div_ceil(pieces)));
    let grid = Grid {
        blocks: [pieces * groups * width.div_ceil(32), 1],
        threads: [32, 16],
    };
    launch(&FAMILY, "sums_of_products", dtype, grid, &mut arguments)?;
    Ok(products)
}
