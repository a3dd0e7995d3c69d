//! Elements dropped at random.

use candle_core::{Result, Tensor};

use super::random::{CIPHER, Stretches};
use super::{Argument, Family, Fresh, Grid, device_of, launch};

pub(super) const FAMILY: Family = Family {
    name: "dropout",
    fused: true,
    sources: &[CIPHER, include_str!("dropout.cu")],
};

/// x, which is not empty, times `factor`, and times 0 where the next uniform number of the stream is below `probability`. The first
/// stretch is at the stream's beginning, and stretches have a multiple of 8 numbers.
///
/// # Errors
/// As [`Stretches::uniform`].
pub fn dropout(stretches: &Stretches, x: &Tensor, probability: f64, factor: f64) -> Result<Fresh> {
    let dtype = x.dtype();
    let mut y = Fresh::new(device_of(x)?, dtype, x.shape())?;
    let count = y.count();
    // A number of 53 bits is below the probability where it is below the next multiple of 2⁻⁵³.
    let bound = (probability * 53f64.exp2()).ceil();
    let mut arguments = stretches.of_words()?;
    arguments.extend([
        Argument::Read(x),
        Argument::Write(&mut y),
        Argument::Size(count),
        Argument::Size(bound as usize),
        Argument::Real(factor),
    ]);
    let grid = Grid::over(count.div_ceil(8));
    launch(&FAMILY, "dropout", dtype, grid, &mut arguments)?;
    Ok(y)
}
