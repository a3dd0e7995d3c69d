//! Rows in pieces whose contributions to the gradients of shared factors are summed together.

use std::ops::Range;

use crate::Float;

/// Rows of a piece.
const SUMMED: usize = 64;

/// Pieces that don't cross from one row of factors to the next; `sharing` rows share one.
pub(crate) fn row_pieces(rows: usize, sharing: usize) -> Vec<Range<usize>> {
    let starts = (0..rows).step_by(sharing).flat_map(|start| {
        let firsts = (start..start + sharing).step_by(SUMMED);
        firsts.map(move |first| first..(first + SUMMED).min(start + sharing))
    });
    starts.collect()
}

/// Adds the sums over each piece to the row of its factors, in the order of the pieces.
pub(crate) fn add_pieces<'a, T: Float>(
    sums: &mut [T],
    width: usize,
    sharing: usize,
    pieces: &[Range<usize>],
    partial: impl Iterator<Item = &'a [T]>,
) {
    for (range, partial) in pieces.iter().zip(partial) {
        let offset = range.start / sharing * width;
        for (sum, x) in sums[offset..].iter_mut().zip(partial) {
            *sum += *x;
        }
    }
}
