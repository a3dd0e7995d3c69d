//! The sum of the squares of all elements of some tensors.

use candle_core::{DType, Result, Tensor};

use super::{Argument, Family, Fresh, Grid, device_of, launch};

pub(super) const FAMILY: Family = Family {
    name: "norm",
    sources: &[include_str!("norm.cu")],
};

/// Elements of one piece at most.
const PIECE: usize = 4096;

/// Tensors of one launch at most.
const TENSORS: usize = 8;

/// The sum of the squares of all elements, in f64, for tensors of any float types on one device. It waits for the device.
pub fn squares(tensors: &[&Tensor]) -> Result<f64> {
    let pieces = |x: &Tensor| x.elem_count().div_ceil(PIECE);
    let total: usize = tensors.iter().map(|x| pieces(x)).sum();
    let (Some(first), true) = (tensors.first(), total > 0) else {
        return Ok(0.0);
    };
    let mut sums = Fresh::new(device_of(first)?, DType::F64, total)?;
    let mut done = 0;
    let alike = tensors.chunk_by(|x, y| x.dtype() == y.dtype());
    for some in alike.flat_map(|alike| alike.chunks(TENSORS)) {
        let blocks: usize = some.iter().map(|x| pieces(x)).sum();
        if blocks == 0 {
            continue;
        }
        let each = |i: usize| some.get(i).copied();
        let pointers = (0..TENSORS).map(|i| each(i).map_or(Argument::Nothing, Argument::Read));
        let counts = (0..TENSORS).map(|i| Argument::Size(each(i).map_or(0, Tensor::elem_count)));
        let mut arguments: Vec<Argument<'_>> = pointers.chain(counts).collect();
        arguments.extend([
            Argument::Write(&mut sums),
            Argument::Size(done),
            Argument::Size(PIECE),
        ]);
        let (dtype, grid) = (some[0].dtype(), Grid::new(blocks, 256));
        launch(&FAMILY, "squares_of_pieces", dtype, grid, &mut arguments)?;
        done += blocks;
    }
    let mut sum = Fresh::new(sums.device(), DType::F64, ())?;
    let mut arguments = [
        Argument::Again(&sums),
        Argument::Write(&mut sum),
        Argument::Size(total),
    ];
    let grid = Grid::new(1, 1024);
    launch(
        &FAMILY,
        "sum_of_pieces",
        first.dtype(),
        grid,
        &mut arguments,
    )?;
    sum.into_tensor().to_scalar()
}
