//! Tensors of 16 bits and their copies in f32, several in one launch.

use candle_core::{DType, Result, Tensor};

use super::pieces::{self, launch_pieces};
use super::{Argument, Family, Fresh, device_of};

pub(super) const FAMILY: Family = Family {
    name: "masters",
    fused: true,
    sources: &[pieces::SOURCE, include_str!("masters.cu")],
};

/// One launch for copies in f32 and their tensors of 16 bits, as many as in a list and with as many elements each.
fn each<'a>(
    kernel: &'static str,
    narrow: DType,
    like: &[&Tensor],
    wides: impl Iterator<Item = Argument<'a>>,
    narrows: impl Iterator<Item = Argument<'a>>,
) -> Result<()> {
    let counts: Vec<usize> = like.iter().map(|x| x.elem_count()).collect();
    let arguments = [
        Argument::Each(wides.collect()),
        Argument::Each(narrows.collect()),
    ];
    launch_pieces(&FAMILY, kernel, narrow, &counts, arguments)
}

fn dtype(tensors: &[&Tensor]) -> DType {
    tensors.first().map_or(DType::F16, |x| x.dtype())
}

fn read<'a>(tensors: &[&'a Tensor]) -> impl Iterator<Item = Argument<'a>> {
    tensors.iter().map(|x| Argument::Read(x))
}

fn change<'a>(tensors: &[&'a Tensor]) -> impl Iterator<Item = Argument<'a>> {
    tensors.iter().map(|x| Argument::Change(x))
}

/// Puts into copies in f32 what has changed in the values of 16 bits: those elements that the copies don't round to. There are at
/// most [`TENSORS`](super::TENSORS) of them.
pub fn follow(copies: &[&Tensor], values: &[&Tensor]) -> Result<()> {
    let narrow = dtype(values);
    each("follow", narrow, values, change(copies), read(values))
}

/// Rounds at most [`TENSORS`](super::TENSORS) copies in f32 to values of this type of 16 bits.
pub fn round(values: &[&Tensor], copies: &[&Tensor], to: DType) -> Result<()> {
    each("round", to, copies, read(copies), change(values))
}

/// The same to new values.
pub(super) fn rounded(copies: &[&Tensor], to: DType) -> Result<Vec<Fresh>> {
    let fresh = |x: &&Tensor| Fresh::new(device_of(x)?, to, x.shape().clone());
    let mut values = copies.iter().map(fresh).collect::<Result<Vec<Fresh>>>()?;
    let written = values.iter_mut().map(Argument::Write);
    each("round", to, copies, read(copies), written)?;
    Ok(values)
}

/// Copies at most [`TENSORS`](super::TENSORS) values of 16 bits to f32.
pub fn widen(values: &[&Tensor]) -> Result<Vec<Tensor>> {
    let fresh = |x: &&Tensor| Fresh::new(device_of(x)?, DType::F32, x.shape().clone());
    let mut copies = values.iter().map(fresh).collect::<Result<Vec<Fresh>>>()?;
    let written = copies.iter_mut().map(Argument::Write);
    each("widen", dtype(values), values, written, read(values))?;
    Ok(copies.into_iter().map(Fresh::into_tensor).collect())
}
