//! Rotations of pairs of numbers by angles of their positions.

use pulp::{Simd, WithSimd};

use crate::{Float, Threads, Unwritten, dispatch, fill, kernels};

/// Rows of pairs, `(batch, positions, heads, 2 · pairs)`.
#[derive(Debug, Clone, Copy)]
pub struct Pairs {
    /// The number of positions.
    pub positions: usize,
    /// The number of rows at each position.
    pub heads: usize,
    /// The number of pairs in a row.
    pub pairs: usize,
    /// Whether the rotation is the inverse one.
    pub inverse: bool,
}

kernels! {
    /// The kernel of rotations.
    pub trait Rotary {
        /// Returns each pair turned by the angle whose cosine and sine are in the tables, `(positions, pairs)`.
        fn rotate(
            threads: &dyn Threads,
            pairs: &Pairs,
            x: &[Self],
            cosines: &[Self],
            sines: &[Self],
        ) -> Vec<Self>;
    }
}

fn rotate<T: Float>(
    threads: &dyn Threads,
    pairs: &Pairs,
    x: &[T],
    cosines: &[T],
    sines: &[T],
) -> Vec<T> {
    let width = 2 * pairs.pairs;
    let rows = x.len() / width.max(1);
    let time = x.len();
    let piece = threads.piece(rows, 1, time);
    let pieces = std::iter::repeat_n((), rows.div_ceil(piece));
    fill(threads, x.len(), piece * width, pieces, time, |i, y, ()| {
        dispatch(Rotate {
            pairs,
            x: &x[i * piece * width..][..y.len()],
            cosines,
            sines,
            y,
            first: i * piece,
        })
    })
}

struct Rotate<'a, 'b, T> {
    pairs: &'a Pairs,
    x: &'a [T],
    cosines: &'a [T],
    sines: &'a [T],
    y: Unwritten<'b, T>,
    /// The first row.
    first: usize,
}

impl<'b, T: Float> WithSimd for Rotate<'_, 'b, T> {
    type Output = &'b mut [T];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> &'b mut [T] {
        let Pairs {
            positions,
            heads,
            pairs,
            inverse,
        } = *self.pairs;
        let sign = T::of(if inverse { -1.0 } else { 1.0 });
        self.y.write_runs(2 * pairs, |i, y| {
            let position = (self.first + i) / heads % positions;
            let cosines = &self.cosines[position * pairs..][..pairs];
            let sines = &self.sines[position * pairs..][..pairs];
            let x = &self.x[i * 2 * pairs..][..2 * pairs];
            y.write(|j| {
                let (c, s) = (cosines[j / 2], sign * sines[j / 2]);
                match j % 2 {
                    0 => x[j] * c - x[j + 1] * s,
                    _ => x[j] * c + x[j - 1] * s,
                }
            })
        })
    }
}
