//! Products of matrices, `C = A B`, with the next operations (bias, activation) applied while C is in the cache.
//!
//! B is packed into panels of [`PANEL`] columns, each of which is contiguous; a tile of a few rows of A times two
//! vectors of columns stays in registers while the inner dimension is run through (Goto and van de Geijn 2008). Each
//! element of C is summed in the same order whatever the tile, so results depend on neither threads nor other rows.

mod operands;
mod tile;

use pulp::{Simd, WithSimd};

use crate::matrix::{DEPTH, Matrix};
use crate::{Float, vectorize};
use operands::NEAR;
use tile::{Block, Rows};

pub(crate) use operands::{Right, Start};

/// Rows of A that a tile takes where there are 32 registers.
pub(crate) const ROWS: usize = 8;

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
/// at most [`ROWS`] rows at a time.
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
        let mut i = 0;
        while i < a.rows {
            let rows = ROWS.min(a.rows - i);
            let c = &mut c[i * stride..];
            let end = c.len().min(rows * stride);
            let c = &mut c[..end];
            let offset = i * a.row_stride + start * a.column_stride;
            let from = if start > 0 { Start::Present } else { from };
            let inner = start..start + depth;
            let (values, step) = if a.column_stride == 1 {
                (&a.values[offset..], a.row_stride)
            } else if a.row_stride == 1 && a.column_stride * size_of::<T>() <= NEAR {
                (&a.values[offset..], a.column_stride)
            } else {
                pack_rows(&a, i, rows, start, depth, &mut packed);
                (&packed[..], ROWS)
            };
            if a.column_stride == 1 {
                let a = Rows::<false, T>::new(values, step);
                vectorize(
                    simd,
                    Block {
                        a,
                        rows,
                        b,
                        inner,
                        c,
                        stride,
                        from,
                    },
                );
            } else {
                let a = Rows::<true, T>::new(values, step);
                vectorize(
                    simd,
                    Block {
                        a,
                        rows,
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
                finish.call(simd, i, c);
            }
            i += rows;
        }
    }
}

/// Rows of A side by side, so that a tile reads them in order.
fn pack_rows<T: Float>(
    a: &Matrix<'_, T>,
    i: usize,
    rows: usize,
    start: usize,
    depth: usize,
    packed: &mut Vec<T>,
) {
    packed.resize(ROWS * depth, T::ZERO);
    for (k, out) in packed.chunks_exact_mut(ROWS).enumerate() {
        let source = &a.values[i * a.row_stride + (start + k) * a.column_stride..];
        if a.row_stride == 1 && rows == ROWS {
            out.copy_from_slice(&source[..ROWS]);
        } else {
            for (r, out) in out.iter_mut().enumerate().take(rows) {
                *out = source[r * a.row_stride];
            }
        }
    }
}
