//! Products of matrices, `C = A B`, with the next operations (bias, activation) applied while C is in the cache.
//!
//! B is packed into panels of [`PANEL`](crate::matrix::PANEL) columns, each of which is contiguous; a tile of a few rows of A times
//! two vectors of columns stays in registers while the inner dimension is run through (Goto and van de Geijn 2008). A panel is
//! used for a [`GROUP`] of rows before the next one is fetched. Each element of C is summed in the same order whatever the tile, so
//! results depend on neither threads nor other rows.

mod operands;
#[cfg(test)]
mod tests;
mod tile;

use pulp::{Simd, WithSimd};

use crate::matrix::{DEPTH, Matrix};
use crate::{Float, vectorize};
use operands::NEAR;
use tile::{Block, Rows, tallest};

pub(crate) use operands::{Right, Start};

/// Rows of A that meet a panel of B while it is in the cache: full tiles of every instruction set.
const GROUP: usize = 48;
/// Rows that are finished together.
const FINISHED: usize = 8;

/// An operation on rows of a product as soon as they are complete. (A trait, as closures are not reliably compiled
/// for the instruction set of the function that calls them.)
pub(crate) trait Finish<T> {
    /// Finishes `rows`, which are the rows from `first` on.
    fn rows<S: Simd>(&mut self, simd: S, first: usize, rows: &mut [T]);
}

/// Leaves rows as they are.
pub(crate) struct Nothing;

impl<T> Finish<T> for Nothing {
    #[inline(always)]
    fn rows<S: Simd>(&mut self, _: S, _: usize, _: &mut [T]) {}
}

/// [`Finish`] for one instruction set, in a function of its own: products call it without knowing its type, so that
/// they are compiled once.
pub(crate) trait FinishOn<S, T> {
    /// Does the same as [`Finish::rows`].
    fn call(&mut self, simd: S, first: usize, rows: &mut [T]);
}

impl<S: Simd, T: Float, F: Finish<T>> FinishOn<S, T> for F {
    fn call(&mut self, simd: S, first: usize, rows: &mut [T]) {
        let finish = self;
        vectorize(
            simd,
            Call {
                finish,
                first,
                rows,
            },
        );
    }
}

struct Call<'a, F, T> {
    finish: &'a mut F,
    first: usize,
    rows: &'a mut [T],
}

impl<T: Float, F: Finish<T>> WithSimd for Call<'_, F, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.finish.rows(simd, self.first, self.rows);
    }
}

/// `C = A B + start`, where `start` is what C holds, or a row that is added to all rows; C's rows are `stride` apart. `finish` gets
/// at most 8 rows at a time.
///
/// # Panics
/// If sizes don't fit.
#[inline(never)]
pub(crate) fn multiply<S: Simd, T: Float>(
    simd: S,
    a: Matrix<'_, T>,
    b: Right<'_, T>,
    c: &mut [T],
    stride: usize,
    from: Start<'_, T>,
    mut finish: Option<&mut dyn FinishOn<S, T>>,
) {
    let (inner, columns) = (b.inner(), b.columns());
    assert!(a.columns == inner && stride >= columns);
    if a.rows == 0 || columns == 0 {
        return;
    }
    if inner == 0 {
        for (i, row) in c.chunks_mut(stride).take(a.rows).enumerate() {
            match from {
                Start::Zero => row[..columns].fill(T::ZERO),
                Start::Row(start) => row[..columns].copy_from_slice(start),
                Start::Present => {}
            }
            if let Some(finish) = &mut finish {
                finish.call(simd, i, row);
            }
        }
        return;
    }
    let mut packed = Vec::new();
    for start in (0..inner).step_by(DEPTH) {
        let depth = DEPTH.min(inner - start);
        let from = if start > 0 { Start::Present } else { from };
        for i in (0..a.rows).step_by(GROUP) {
            let rows = GROUP.min(a.rows - i);
            let c = &mut c[i * stride..];
            let end = c.len().min(rows * stride);
            let c = &mut c[..end];
            // As few tiles as there can be, of nearly the same height.
            let height = rows.div_ceil(rows.div_ceil(tallest::<S>()));
            let inner = start..start + depth;
            let values = &a.values[i * a.row_stride + start * a.column_stride..];
            if a.column_stride == 1 {
                let a = Rows::<false, T>::new(values, a.row_stride, height * a.row_stride);
                vectorize(
                    simd,
                    Block {
                        a,
                        rows,
                        height,
                        b,
                        inner,
                        c,
                        stride,
                        from,
                    },
                );
            } else {
                let a = if a.row_stride == 1 && a.column_stride * size_of::<T>() <= NEAR {
                    Rows::<true, T>::new(values, a.column_stride, height)
                } else {
                    pack_rows(values, &a, rows, height, depth, &mut packed);
                    Rows::new(&packed, height, height * depth)
                };
                vectorize(
                    simd,
                    Block {
                        a,
                        rows,
                        height,
                        b,
                        inner,
                        c,
                        stride,
                        from,
                    },
                );
            }
            if start + depth == a.columns
                && let Some(finish) = &mut finish
            {
                for (j, c) in c.chunks_mut(FINISHED * stride).enumerate() {
                    finish.call(simd, i + j * FINISHED, c);
                }
            }
        }
    }
}

/// Rows of A side by side, `height` of them one after another, so that a tile reads them in order.
fn pack_rows<T: Float>(
    values: &[T],
    a: &Matrix<'_, T>,
    rows: usize,
    height: usize,
    depth: usize,
    packed: &mut Vec<T>,
) {
    packed.resize(rows.next_multiple_of(height) * depth, T::ZERO);
    match (a.row_stride, height) {
        (1, 8) => pack_lines::<T, 8>(values, a.column_stride, rows, depth, packed),
        (1, 6) => pack_lines::<T, 6>(values, a.column_stride, rows, depth, packed),
        _ => {
            for (tile, out) in packed.chunks_exact_mut(height * depth).enumerate() {
                let first = tile * height;
                let rows = height.min(rows - first);
                for (k, out) in out.chunks_exact_mut(height).enumerate() {
                    let source = &values[first * a.row_stride + k * a.column_stride..];
                    for (r, out) in out.iter_mut().enumerate().take(rows) {
                        *out = source[r * a.row_stride];
                    }
                }
            }
        }
    }
}

/// The same where all rows' elements of a column are one line of the memory, which is read once.
fn pack_lines<T: Float, const HEIGHT: usize>(
    values: &[T],
    stride: usize,
    rows: usize,
    depth: usize,
    packed: &mut [T],
) {
    for k in 0..depth {
        let (tiles, rest) = values[k * stride..][..rows].as_chunks::<HEIGHT>();
        let mut at = k * HEIGHT;
        for tile in tiles {
            packed[at..at + HEIGHT].copy_from_slice(tile);
            at += HEIGHT * depth;
        }
        if !rest.is_empty() {
            packed[at..at + rest.len()].copy_from_slice(rest);
        }
    }
}
