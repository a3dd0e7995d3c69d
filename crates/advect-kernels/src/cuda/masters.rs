//! Tensors of 16 bits and their copies in f32, several in one launch.

use candle_core::{DType, Result, Tensor};

use super::{Argument, Family, Fresh, Grid, device_of, launch};

pub(super) const FAMILY: Family = Family {
    name: "masters",
    sources: &[include_str!("masters.cu")],
};

/// Elements of one piece at most.
const PIECE: usize = 4096;

/// Pairs of one launch at most.
pub const PAIRS: usize = 8;

/// One launch for pairs of the first argument and the second, of the type of 16 bits, with as many elements each.
fn each<'a>(
    kernel: &'static str,
    narrow: DType,
    pairs: Vec<(Argument<'a>, Argument<'a>)>,
    mut counts: Vec<usize>,
) -> Result<()> {
    let blocks: usize = counts.iter().map(|count| count.div_ceil(PIECE)).sum();
    let (mut wides, mut narrows): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    wides.resize_with(PAIRS, || Argument::Nothing);
    narrows.resize_with(PAIRS, || Argument::Nothing);
    counts.resize(PAIRS, 0);
    let counts = counts.into_iter().map(Argument::Size);
    let mut arguments: Vec<Argument<'a>> = wides.into_iter().chain(narrows).chain(counts).collect();
    arguments.push(Argument::Size(PIECE));
    launch(
        &FAMILY,
        kernel,
        narrow,
        Grid::new(blocks, 256),
        &mut arguments,
    )
}

fn dtype(tensors: &[&Tensor]) -> DType {
    tensors.first().map_or(DType::F16, |x| x.dtype())
}

fn counts(tensors: &[&Tensor]) -> Vec<usize> {
    tensors.iter().map(|x| x.elem_count()).collect()
}

/// Puts into copies in f32 what has changed in the values of 16 bits: those elements that the copies don't round to. There are at
/// most [`PAIRS`] of them.
pub fn follow(copies: &[&Tensor], values: &[&Tensor]) -> Result<()> {
    let copies = copies.iter().map(|x| Argument::Change(x));
    let pairs = copies.zip(values.iter().map(|x| Argument::Read(x)));
    each("follow", dtype(values), pairs.collect(), counts(values))
}

/// Rounds at most [`PAIRS`] copies in f32 to values of this type of 16 bits.
pub fn round(values: &[&Tensor], copies: &[&Tensor], to: DType) -> Result<()> {
    let values = values.iter().map(|x| Argument::Change(x));
    let pairs = copies.iter().map(|x| Argument::Read(x)).zip(values);
    each("round", to, pairs.collect(), counts(copies))
}

/// The same to new values.
pub(super) fn rounded(copies: &[&Tensor], to: DType) -> Result<Vec<Fresh>> {
    let fresh = |x: &&Tensor| Fresh::new(device_of(x)?, to, x.shape().clone());
    let mut values = copies.iter().map(fresh).collect::<Result<Vec<Fresh>>>()?;
    let written = values.iter_mut().map(Argument::Write);
    let pairs = copies.iter().map(|x| Argument::Read(x)).zip(written);
    each("round", to, pairs.collect(), counts(copies))?;
    Ok(values)
}

/// Copies at most [`PAIRS`] values of 16 bits to f32.
pub fn widen(values: &[&Tensor]) -> Result<Vec<Tensor>> {
    let fresh = |x: &&Tensor| Fresh::new(device_of(x)?, DType::F32, x.shape().clone());
    let mut copies = values.iter().map(fresh).collect::<Result<Vec<Fresh>>>()?;
    let written = copies.iter_mut().map(Argument::Write);
    let pairs = written.zip(values.iter().map(|x| Argument::Read(x)));
    each("widen", dtype(values), pairs.collect(), counts(values))?;
    Ok(copies.into_iter().map(Fresh::into_tensor).collect())
}
