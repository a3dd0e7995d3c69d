//! Products of matrices: `C = A B`, with what follows (bias, activation) done while C is in the cache.
//!
//! B is packed into panels of [`PANEL`] columns, each of which is contiguous; a tile of a few rows of A times two
//! vectors of columns stays in registers while the inner dimension is run through (Goto and van de Geijn 2008). Each
//! element of C is summed in the same order whatever the tile, so results depend on neither threads nor other rows.

use pulp::{Simd, WithSimd};

use crate::matrix::{DEPTH, Matrix, PANEL, Packed};
use crate::{Float, vectorize};

/// Rows of A that a tile takes where there are 32 registers.
pub(crate) const ROWS: usize = 8;

/// What is done with rows of a product as soon as they are complete. (A trait, as closures are not reliably compiled
/// for the instruction set of the function that calls them.)
pub(crate) trait Finish<T> {
    /// `rows` are those from `first` on.
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
    /// As [`Finish::rows`].
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

/// What a product is added to.
#[derive(Clone, Copy)]
pub(crate) enum Start<'a, T> {
    /// Zeros.
    Zero,
    /// The same row for all rows.
    Row(&'a [T]),
    /// What is there.
    Present,
}

/// The right-hand side of a product.
#[derive(Clone, Copy)]
pub(crate) enum Right<'a, T: Float> {
    /// A whole packed matrix.
    Packed(&'a Packed<T>),
    /// So many columns from one on, which begins a panel.
    Columns(&'a Packed<T>, usize, usize),
    /// As it lies in memory; see [`Right::rows`].
    Rows(Matrix<'a, T>),
}

impl<'a, T: Float> Right<'a, T> {
    /// A matrix as it lies in memory, if that is nearly as good as packed: full vectors, rows that are close.
    pub(crate) fn rows<S: Simd>(b: Matrix<'a, T>) -> Option<Self> {
        let near = b.column_stride == 1 && b.row_stride * size_of::<T>() <= NEAR;
        (near && b.columns.is_multiple_of(2 * T::lanes::<S>())).then_some(Right::Rows(b))
    }

    fn inner(&self) -> usize {
        match self {
            Right::Packed(b) | Right::Columns(b, ..) => b.inner(),
            Right::Rows(b) => b.rows,
        }
    }

    fn columns(&self) -> usize {
        match self {
            Right::Packed(b) => b.columns(),
            Right::Columns(_, _, count) => *count,
            Right::Rows(b) => b.columns,
        }
    }

    /// The rows from `start` on in the panel that begins with column `first`, and the distance of its rows.
    #[inline(always)]
    fn panel(&self, start: usize, depth: usize, first: usize) -> (&'a [T], usize) {
        match *self {
            Right::Packed(b) => (b.panel(start, depth, first), PANEL),
            Right::Columns(b, column, _) => (b.panel(start, depth, column + first), PANEL),
            Right::Rows(b) => (&b.values[start * b.row_stride + first..], b.row_stride),
        }
    }
}

/// Bytes between rows up to which they are read in place: more, and they would compete for few places of the cache.
const NEAR: usize = 512;

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

/// Some rows of A: contiguous, or side by side. `stride` is the distance of rows, or of the sides.
#[derive(Clone, Copy)]
struct Rows<'a, const SIDE_BY_SIDE: bool, T> {
    values: &'a [T],
    stride: usize,
}

impl<'a, const SIDE_BY_SIDE: bool, T> Rows<'a, SIDE_BY_SIDE, T> {
    #[inline(always)]
    fn new(values: &'a [T], stride: usize) -> Self {
        Rows { values, stride }
    }

    #[inline(always)]
    fn index(&self, i: usize, k: usize) -> usize {
        if SIDE_BY_SIDE {
            k * self.stride + i
        } else {
            i * self.stride + k
        }
    }

    /// The rows from the i-th on.
    #[inline(always)]
    fn from(self, i: usize) -> Self {
        let values = &self.values[self.index(i, 0)..];
        Rows { values, ..self }
    }
}

/// Some rows of C, all panels. A function of its own for each instruction set, so that its many loops are compiled
/// once, not wherever there is a product.
struct Block<'a, 'b, const SIDE_BY_SIDE: bool, T: Float> {
    a: Rows<'a, SIDE_BY_SIDE, T>,
    rows: usize,
    b: Right<'a, T>,
    inner: std::ops::Range<usize>,
    c: &'b mut [T],
    stride: usize,
    from: Start<'a, T>,
}

impl<const SIDE_BY_SIDE: bool, T: Float> WithSimd for Block<'_, '_, SIDE_BY_SIDE, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Block {
            a,
            rows,
            b,
            inner,
            c,
            stride,
            from,
        } = self;
        let depth = inner.len();
        for first in (0..b.columns()).step_by(PANEL) {
            let panel = b.panel(inner.start, depth, first);
            let width = PANEL.min(b.columns() - first);
            let mut start = [T::ZERO; PANEL];
            if let Start::Row(row) = from {
                start[..width].copy_from_slice(&row[first..first + width]);
            }
            let add = matches!(from, Start::Present);
            let mut i = 0;
            while i < rows {
                let (a, c) = (a.from(i), &mut c[i * stride + first..]);
                macro_rules! tile {
                    ($rows:literal, $vectors:literal) => {{
                        tile::<S, T, $rows, $vectors, SIDE_BY_SIDE>(
                            simd, a, panel, depth, &start, c, stride, width, add,
                        );
                        i += $rows;
                    }};
                }
                // As few tiles as there can be. (All conditions but the sizes are known to the compiler, which makes
                // only the tiles that an instruction set has registers for.)
                let many = S::REGISTER_COUNT >= 32;
                if S::IS_SCALAR {
                    match rows - i {
                        4.. => tile!(4, 2),
                        _ => tile!(1, 2),
                    }
                } else if width <= T::lanes::<S>() {
                    match rows - i {
                        8.. if many => tile!(8, 1),
                        4.. => tile!(4, 1),
                        3 => tile!(3, 1),
                        2 => tile!(2, 1),
                        _ => tile!(1, 1),
                    }
                } else {
                    match rows - i {
                        8.. if many => tile!(8, 2),
                        4.. => tile!(4, 2),
                        3 => tile!(3, 2),
                        2 => tile!(2, 2),
                        _ => tile!(1, 2),
                    }
                }
            }
        }
    }
}

/// A block for each constant below a bound of at most 8. (A loop may be unrolled too late for an array to become
/// registers.)
macro_rules! unrolled {
    ($i:ident < $count:ident => $body:block) => {
        unrolled!($i < $count => $body; 0 1 2 3 4 5 6 7)
    };
    ($i:ident < $count:ident => $body:block; $($n:literal)*) => {
        $(if $n < $count {
            const $i: usize = $n;
            $body
        })*
    };
}

/// `R` rows of C, one panel, `V` vectors of columns at a time.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn tile<S: Simd, T: Float, const R: usize, const V: usize, const SIDE_BY_SIDE: bool>(
    simd: S,
    a: Rows<'_, SIDE_BY_SIDE, T>,
    (panel, panel_stride): (&[T], usize),
    depth: usize,
    start: &[T; PANEL],
    c: &mut [T],
    stride: usize,
    width: usize,
    add: bool,
) {
    let lanes = T::lanes::<S>();
    let group = V * lanes;
    let widest = width.next_multiple_of(group);
    assert!(width <= PANEL && PANEL.is_multiple_of(group));
    assert!(depth > 0 && panel.len() >= (depth - 1) * panel_stride + widest);
    assert!(a.values.len() > a.index(R - 1, depth - 1));
    for first in (0..width).step_by(group) {
        let starts = &T::vectors::<S>(start).0[first / lanes..][..V];
        let mut sums = [[T::splat(simd, T::ZERO); V]; R];
        unrolled!(I < R => {
            sums[I][0] = starts[0];
            if V > 1 {
                sums[I][1] = starts[1];
            }
        });
        for k in 0..depth {
            let at = k * panel_stride + first;
            // SAFETY: k < depth and first + group ≤ widest, so the end is at most the one asserted above.
            let line = unsafe { panel.get_unchecked(at..at + group) };
            let line = T::vectors::<S>(line).0;
            let mut b = [T::splat(simd, T::ZERO); V];
            // SAFETY: the line is V vectors long.
            unsafe {
                b[0] = *line.get_unchecked(0);
                if V > 1 {
                    b[1] = *line.get_unchecked(1);
                }
            }
            unrolled!(I < R => {
                // SAFETY: I < R and k < depth, so the index is at most the one asserted above.
                let value = unsafe { *a.values.get_unchecked(a.index(I, k)) };
                let value = T::splat(simd, value);
                sums[I][0] = T::fused(simd, value, b[0], sums[I][0]);
                if V > 1 {
                    sums[I][1] = T::fused(simd, value, b[1], sums[I][1]);
                }
            });
        }
        let valid = group.min(width - first);
        if valid == group {
            unrolled!(I < R => {
                let row = &mut c[I * stride + first..][..group];
                let row = T::vectors_mut::<S>(row).0;
                let add_to = |out, sum| if add { T::plus(simd, out, sum) } else { sum };
                row[0] = add_to(row[0], sums[I][0]);
                if V > 1 {
                    row[1] = add_to(row[1], sums[I][1]);
                }
            });
            continue;
        }
        let mut whole = [[T::ZERO; PANEL]; R];
        unrolled!(I < R => {
            let vectors = T::vectors_mut::<S>(&mut whole[I]).0;
            vectors[0] = sums[I][0];
            if V > 1 {
                vectors[1] = sums[I][1];
            }
        });
        for (i, whole) in whole.iter().enumerate() {
            let row = &mut c[i * stride + first..][..valid];
            for (out, sum) in row.iter_mut().zip(whole) {
                *out = if add { *out + *sum } else { *sum };
            }
        }
    }
}
