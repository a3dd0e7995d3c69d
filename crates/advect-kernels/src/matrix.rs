//! Matrices as views with strides, and packed for products.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use crate::squares::{self, SIDE};
use crate::{Buffer, Float, Threads, dispatch};

/// Columns in a panel of a packed matrix: full vectors of every instruction set.
pub(crate) const PANEL: usize = 32;
/// Rows packed together: inner indices of a product between two visits of its value.
pub(crate) const DEPTH: usize = 512;

/// A view of a matrix with any strides.
#[derive(Clone, Copy)]
pub struct Matrix<'a, T> {
    /// The values, from the first element on.
    pub(crate) values: &'a [T],
    /// The number of rows.
    pub(crate) rows: usize,
    /// The number of columns.
    pub(crate) columns: usize,
    /// The distance from one row to the next.
    pub(crate) row_stride: usize,
    /// The distance from one column to the next.
    pub(crate) column_stride: usize,
}

impl<'a, T: Float> Matrix<'a, T> {
    /// Creates a view of contiguous rows.
    ///
    /// # Panics
    /// If there are fewer values.
    pub fn new(values: &'a [T], rows: usize, columns: usize) -> Self {
        assert!(values.len() >= rows * columns);
        Matrix {
            values,
            rows,
            columns,
            row_stride: columns,
            column_stride: 1,
        }
    }

    /// Returns the same values with rows and columns exchanged.
    #[must_use]
    pub fn transposed(self) -> Self {
        Matrix {
            values: self.values,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }

    /// Writes it out row by row.
    ///
    /// # Panics
    /// If there is too little room.
    pub(crate) fn copy_to(self, out: &mut [T]) {
        const SIDE: usize = 16;
        assert!(out.len() >= self.rows * self.columns);
        if self.column_stride == 1 {
            for (i, out) in out
                .chunks_exact_mut(self.columns.max(1))
                .take(self.rows)
                .enumerate()
            {
                out.copy_from_slice(&self.values[i * self.row_stride..][..self.columns]);
            }
            return;
        }
        // In squares, so that both sides stay in the cache.
        for i0 in (0..self.rows).step_by(SIDE) {
            let i1 = self.rows.min(i0 + SIDE);
            for j0 in (0..self.columns).step_by(SIDE) {
                let j1 = self.columns.min(j0 + SIDE);
                for i in i0..i1 {
                    let out = &mut out[i * self.columns + j0..i * self.columns + j1];
                    for (j, out) in (j0..).zip(out) {
                        *out = self.values[i * self.row_stride + j * self.column_stride];
                    }
                }
            }
        }
    }

    /// Writes some rows and columns as a panel.
    fn pack(self, (rows, columns): (Range<usize>, Range<usize>), panel: &mut [T]) {
        match self.row_stride {
            1 => dispatch(PackTransposed {
                b: self,
                rows,
                columns,
                out: panel,
            }),
            _ => pack(self, rows, columns, panel),
        }
    }

    /// Rows `start..end`.
    ///
    /// # Panics
    /// Unless there are so many.
    pub(crate) fn rows(self, start: usize, end: usize) -> Self {
        self.transposed().columns(start, end).transposed()
    }

    /// Columns `start..end`.
    ///
    /// # Panics
    /// Unless there are so many.
    pub(crate) fn columns(self, start: usize, end: usize) -> Self {
        assert!(start <= end && end <= self.columns);
        let offset = (start * self.column_stride).min(self.values.len());
        Matrix {
            values: &self.values[offset..],
            columns: end - start,
            ..self
        }
    }
}

/// A right-hand side, packed.
pub(crate) struct Packed<T: Float> {
    /// For each block of [`DEPTH`] rows of B and each panel: the rows of the panel, one after another.
    values: Buffer<T>,
    inner: usize,
    columns: usize,
}

impl<T: Float> Default for Packed<T> {
    fn default() -> Self {
        Packed {
            values: Buffer::default(),
            inner: 0,
            columns: 0,
        }
    }
}

impl<T: Float> Packed<T> {
    /// A packed copy.
    pub(crate) fn new(b: Matrix<'_, T>) -> Self {
        let mut packed = Packed::default();
        packed.fill(b);
        packed
    }

    /// Packed copies, made by several threads; none where there is no matrix.
    pub(crate) fn all<'a>(
        threads: &dyn Threads,
        matrices: impl Iterator<Item = Option<Matrix<'a, T>>>,
    ) -> Vec<Self> {
        let matrices: Vec<_> = matrices.collect();
        let mut all: Vec<Self> = matrices.iter().map(|_| Packed::default()).collect();
        let mut panels = Vec::new();
        let mut elements = 0;
        for (packed, b) in all.iter_mut().zip(matrices) {
            if let Some(b) = b {
                packed.resize(b.rows, b.columns);
                elements += b.rows * b.columns;
                let places = places(b.rows, b.columns).zip(packed.panels_mut());
                panels.extend(places.map(|place| (b, place)));
            }
        }
        threads.each(panels, elements / 2, |(b, (place, panel))| {
            b.pack(place, panel);
        });
        all
    }

    /// Packs another matrix, into the same memory.
    pub(crate) fn fill(&mut self, b: Matrix<'_, T>) {
        self.resize(b.rows, b.columns);
        for (place, panel) in places(b.rows, b.columns).zip(self.panels_mut()) {
            b.pack(place, panel);
        }
    }

    /// Packs a matrix whose parts `fill(row, columns, out)` writes, into the same memory.
    #[inline(always)]
    pub(crate) fn fill_by(
        &mut self,
        inner: usize,
        columns: usize,
        mut fill: impl FnMut(usize, Range<usize>, &mut [T]),
    ) {
        self.resize(inner, columns);
        let mut rest = &mut self.values[..];
        for start in (0..inner).step_by(DEPTH) {
            let end = inner.min(start + DEPTH);
            for first in (0..columns).step_by(PANEL) {
                let last = columns.min(first + PANEL);
                for k in start..end {
                    let (line, after) = rest.split_at_mut(PANEL);
                    fill(k, first..last, &mut line[..last - first]);
                    line[last - first..].fill(T::ZERO);
                    rest = after;
                }
            }
        }
    }

    /// Makes room for a matrix of this size, to be written by [`panels_mut`](Self::panels_mut).
    pub(crate) fn resize(&mut self, inner: usize, columns: usize) {
        (self.inner, self.columns) = (inner, columns);
        self.values.resize(inner * self.width());
    }

    /// The panels of each block of [`DEPTH`] rows, one after another: (rows, [`PANEL`]), the last one filled up with zeros.
    pub(crate) fn panels_mut(&mut self) -> impl Iterator<Item = &mut [T]> {
        let (inner, width) = (self.inner, self.width());
        let blocks = self.values.chunks_mut((DEPTH * width).max(1)).enumerate();
        blocks.flat_map(move |(k, block)| {
            let depth = DEPTH.min(inner - k * DEPTH);
            block.chunks_exact_mut(depth * PANEL)
        })
    }

    /// The number of rows of B.
    pub(crate) fn inner(&self) -> usize {
        self.inner
    }

    /// The number of columns of B.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// The panel that begins with column `first`, of the block of `depth` rows that begins with row `start`.
    #[inline(always)]
    pub(crate) fn panel(&self, start: usize, depth: usize, first: usize) -> &[T] {
        let offset = start * self.width() + first * depth;
        &self.values[offset..offset + depth * PANEL]
    }

    /// The number of columns with those that fill up the last panel.
    fn width(&self) -> usize {
        self.columns.next_multiple_of(PANEL)
    }
}

/// The rows and columns of each panel, in order.
fn places(rows: usize, columns: usize) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    (0..rows).step_by(DEPTH).flat_map(move |start| {
        let rows = start..rows.min(start + DEPTH);
        let starts = (0..columns).step_by(PANEL);
        starts.map(move |first| (rows.clone(), first..columns.min(first + PANEL)))
    })
}

fn pack<T: Float>(b: Matrix<'_, T>, rows: Range<usize>, columns: Range<usize>, out: &mut [T]) {
    let whole = b.column_stride == 1 && columns.len() == PANEL;
    for (k, out) in rows.zip(out.as_chunks_mut::<PANEL>().0) {
        let row = &b.values[k * b.row_stride..];
        // (Lines of a known length need no call.)
        if whole && let Some(line) = row[columns.start..].first_chunk() {
            *out = *line;
            continue;
        }
        let (out, filler) = out.split_at_mut(columns.len());
        if b.column_stride == 1 {
            out.copy_from_slice(&row[columns.clone()]);
        } else {
            for (j, out) in columns.clone().zip(out) {
                *out = row[j * b.column_stride];
            }
        }
        filler.fill(T::ZERO);
    }
}

/// Packs where the columns are contiguous, in squares that are transposed in registers.
struct PackTransposed<'a, 'b, T> {
    b: Matrix<'a, T>,
    rows: Range<usize>,
    columns: Range<usize>,
    out: &'b mut [T],
}

impl<T: Float> WithSimd for PackTransposed<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let PackTransposed {
            b,
            rows,
            columns,
            out,
        } = self;
        if columns.len() < PANEL {
            out.fill(T::ZERO);
        }
        let step = b.column_stride;
        let source = &b.values[columns.start * step + rows.start..];
        let whole = |count: usize| count - count % SIDE;
        let (deep, wide) = (whole(rows.len()), whole(columns.len()));
        for k in (0..deep).step_by(SIDE) {
            for j in (0..wide).step_by(SIDE) {
                let square = squares::columns(&source[j * step + k..], step);
                for (line, some) in out[k * PANEL..].chunks_exact_mut(PANEL).zip(square) {
                    line[j..j + SIDE].copy_from_slice(&some);
                }
            }
        }
        // What is left at the right, and below.
        for (ks, js) in [
            (0..deep, wide..columns.len()),
            (deep..rows.len(), 0..columns.len()),
        ] {
            for j in js {
                for k in ks.clone() {
                    out[k * PANEL + j] = source[j * step + k];
                }
            }
        }
    }
}
