//! Up to eight tensors in one launch, where a block has one piece of one of them.

use candle_core::{DType, Error, Result};

use super::{Argument, Family, Grid, launch};

/// What the sources of such kernels begin with.
pub(super) const SOURCE: &str = include_str!("pieces.cu");

/// Tensors of one launch at most.
pub const TENSORS: usize = 8;

/// Elements of one piece at most.
const PIECE: usize = 4096;

/// The number of pieces of a tensor with this number of elements, each of which is a block's.
pub(super) fn pieces(count: usize) -> usize {
    count.div_ceil(PIECE)
}

/// Starts a kernel for tensors with these numbers of elements, unless all are empty. Its parameters are `PIECES`, and then those of the arguments.
pub(super) fn launch_pieces<'a>(
    family: &Family,
    kernel: &'static str,
    dtype: DType,
    counts: &[usize],
    arguments: impl IntoIterator<Item = Argument<'a>>,
) -> Result<()> {
    if counts.len() > TENSORS {
        let message = format!("{} tensors in one launch of {kernel}", counts.len());
        return Err(Error::Msg(message).bt());
    }
    let mut blocks = 0;
    let mut firsts = Vec::with_capacity(TENSORS);
    for &count in counts {
        firsts.push(Argument::Size(blocks));
        blocks += pieces(count);
    }
    if blocks == 0 {
        return Ok(());
    }
    // No block is beyond the last tensor.
    firsts.resize_with(TENSORS, || Argument::Size(blocks));
    let counts = counts.iter().map(|&count| Argument::Size(count));
    let mut all = vec![
        Argument::Each(firsts),
        Argument::Each(counts.collect()),
        Argument::Size(PIECE),
    ];
    all.extend(arguments);
    launch(family, kernel, dtype, Grid::new(blocks, 256), &mut all)
}
