//! The sum of the squares of all elements of some tensors.

use candle_core::{DType, Result, Tensor};

use super::pieces::{self, TENSORS, launch_pieces, pieces};
use super::{Argument, Family, Fresh, Grid, device_of, launch};

pub(super) const FAMILY: Family = Family {
    name: "norm",
    fused: true,
    sources: &[pieces::SOURCE, include_str!("norm.cu")],
};

/// The sum of the squares of all elements, in f64, for tensors of any float types on one device. It waits for the device.
pub fn squares(tensors: &[&Tensor]) -> Result<f64> {
    let total: usize = tensors.iter().map(|x| pieces(x.elem_count())).sum();
    let (Some(first), true) = (tensors.first(), total > 0) else {
        return Ok(0.0);
    };
    let mut sums = Fresh::new(device_of(first)?, DType::F64, total)?;
    let mut done = 0;
    let alike = tensors.chunk_by(|x, y| x.dtype() == y.dtype());
    for some in alike.flat_map(|alike| alike.chunks(TENSORS)) {
        let counts: Vec<usize> = some.iter().map(|x| x.elem_count()).collect();
        let arguments = [
            Argument::Each(some.iter().map(|x| Argument::Read(x)).collect()),
            Argument::Write(&mut sums),
            Argument::Size(done),
        ];
        let dtype = some[0].dtype();
        launch_pieces(&FAMILY, "squares_of_pieces", dtype, &counts, arguments)?;
        done += counts.into_iter().map(pieces).sum::<usize>();
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
