//! The operands of products.

use pulp::Simd;

use crate::Float;
use crate::matrix::{Matrix, PANEL, Packed};

/// The values to which a product is added.
#[derive(Clone, Copy)]
pub(crate) enum Start<'a, T> {
    /// Zeros.
    Zero,
    /// The same row for all rows.
    Row(&'a [T]),
    /// The values that are there.
    Present,
}

/// The right-hand side of a product.
#[derive(Clone, Copy)]
pub(crate) enum Right<'a, T: Float> {
    /// A whole packed matrix.
    Packed(&'a Packed<T>),
    /// A range of columns, which begins a panel.
    Columns(&'a Packed<T>, usize, usize),
    /// Rows as they are in memory; see [`Right::rows`].
    Rows(Matrix<'a, T>),
}

impl<'a, T: Float> Right<'a, T> {
    /// A matrix as it lies in memory, if that is nearly as good as packed: full vectors, rows that are close.
    pub(crate) fn rows<S: Simd>(b: Matrix<'a, T>) -> Option<Self> {
        let near = b.column_stride == 1 && b.row_stride * size_of::<T>() <= NEAR;
        (near && b.columns.is_multiple_of(2 * T::lanes::<S>())).then_some(Right::Rows(b))
    }

    pub(super) fn inner(&self) -> usize {
        match self {
            Right::Packed(b) | Right::Columns(b, ..) => b.inner(),
            Right::Rows(b) => b.rows,
        }
    }

    pub(super) fn columns(&self) -> usize {
        match self {
            Right::Packed(b) => b.columns(),
            Right::Columns(_, _, count) => *count,
            Right::Rows(b) => b.columns,
        }
    }

    /// The rows from `start` on in the panel that begins with column `first`, and the distance of its rows.
    #[inline(always)]
    pub(super) fn panel(&self, start: usize, depth: usize, first: usize) -> (&'a [T], usize) {
        match *self {
            Right::Packed(b) => (b.panel(start, depth, first), PANEL),
            Right::Columns(b, column, _) => (b.panel(start, depth, column + first), PANEL),
            Right::Rows(b) => (&b.values[start * b.row_stride + first..], b.row_stride),
        }
    }
}

/// Bytes between rows up to which they are read in place: more, and they would compete for few places of the cache.
pub(super) const NEAR: usize = 512;
