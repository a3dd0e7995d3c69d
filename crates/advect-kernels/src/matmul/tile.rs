//! Tiles of a product: a few rows by one or two vectors of columns, in registers.

use pulp::{Simd, WithSimd};

use super::operands::{Right, Start};
use crate::Float;
use crate::matrix::PANEL;

/// Rows that a tile has at most: with two vectors of sums for each, it fills the registers.
pub(super) fn tallest<S: Simd>() -> usize {
    if S::IS_SCALAR {
        4
    } else if S::REGISTER_COUNT >= 32 {
        8
    } else {
        6
    }
}

/// Some rows of A: contiguous, or side by side. `stride` is the distance of rows, or of the sides; `next` that of tiles.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, const SIDE_BY_SIDE: bool, T> {
    values: &'a [T],
    stride: usize,
    next: usize,
}

impl<'a, const SIDE_BY_SIDE: bool, T> Rows<'a, SIDE_BY_SIDE, T> {
    #[inline(always)]
    pub(super) fn new(values: &'a [T], stride: usize, next: usize) -> Self {
        Rows {
            values,
            stride,
            next,
        }
    }

    /// The rows of a tile.
    #[inline(always)]
    fn tile(self, tile: usize) -> Self {
        let values = &self.values[tile * self.next..];
        Rows { values, ..self }
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
pub(super) struct Block<'a, 'b, const SIDE_BY_SIDE: bool, T: Float> {
    pub(super) a: Rows<'a, SIDE_BY_SIDE, T>,
    pub(super) rows: usize,
    /// Rows of a tile.
    pub(super) height: usize,
    pub(super) b: Right<'a, T>,
    pub(super) inner: std::ops::Range<usize>,
    pub(super) c: &'b mut [T],
    pub(super) stride: usize,
    pub(super) from: Start<'a, T>,
}

impl<const SIDE_BY_SIDE: bool, T: Float> WithSimd for Block<'_, '_, SIDE_BY_SIDE, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Block {
            a,
            rows,
            height,
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
            for (number, i) in (0..rows).step_by(height).enumerate() {
                let end = rows.min(i + height);
                let (mut i, mut a) = (i, a.tile(number));
                while i < end {
                    let c = &mut c[i * stride + first..];
                    macro_rules! tile {
                        ($rows:literal, $vectors:literal) => {{
                            tile::<S, T, $rows, $vectors, SIDE_BY_SIDE>(
                                simd, a, panel, depth, &start, c, stride, width, add,
                            );
                            i += $rows;
                            if i < end {
                                a = a.from($rows);
                            }
                        }};
                    }
                    // (All conditions but the sizes are known to the compiler, which makes only the tiles that an instruction
                    // set has registers for.)
                    let many = S::REGISTER_COUNT >= 32;
                    if S::IS_SCALAR {
                        match end - i {
                            4.. => tile!(4, 2),
                            _ => tile!(1, 2),
                        }
                    } else if width <= T::lanes::<S>() {
                        match end - i {
                            8.. if many => tile!(8, 1),
                            7 => tile!(4, 1),
                            6.. => tile!(6, 1),
                            4.. => tile!(4, 1),
                            3 => tile!(3, 1),
                            2 => tile!(2, 1),
                            _ => tile!(1, 1),
                        }
                    } else {
                        match end - i {
                            8.. if many => tile!(8, 2),
                            7 => tile!(4, 2),
                            6.. => tile!(6, 2),
                            5 => tile!(5, 2),
                            4 => tile!(4, 2),
                            3 => tile!(3, 2),
                            2 => tile!(2, 2),
                            _ => tile!(1, 2),
                        }
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
