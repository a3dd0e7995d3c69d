//! Residual connections with gates.

use pulp::{Simd, WithSimd};

use crate::row_pieces::{add_pieces, row_pieces};
use crate::{Float, Threads, Unwritten, dispatch, fill, kernels, zeros};

/// Rows with gates for their columns.
#[derive(Debug, Clone, Copy)]
pub struct GatedRows {
    /// The size of a row.
    pub width: usize,
    /// The number of rows.
    pub rows: usize,
    /// The number of rows that share a row of gates.
    pub sharing: usize,
}

kernels! {
    /// The kernels of residual connections with gates.
    pub trait Gate {
        /// Returns `x + gate · h`.
        fn add_gated(
            threads: &dyn Threads,
            rows: &GatedRows,
            x: &[Self],
            h: &[Self],
            gate: &[Self],
        ) -> Vec<Self>;

        /// Returns the gradients of h and of the gates, given the gradient of the value (which is that of x).
        fn add_gated_backward(
            threads: &dyn Threads,
            rows: &GatedRows,
            h: &[Self],
            gate: &[Self],
            gradient: &[Self],
        ) -> [Vec<Self>; 2];
    }
}

fn add_gated<T: Float>(
    threads: &dyn Threads,
    rows: &GatedRows,
    x: &[T],
    h: &[T],
    gate: &[T],
) -> Vec<T> {
    let GatedRows { width, sharing, .. } = *rows;
    let time = x.len() / 2;
    let piece = threads.piece(rows.rows, 1, time);
    let pieces = std::iter::repeat_n((), rows.rows.div_ceil(piece));
    fill(threads, x.len(), piece * width, pieces, time, |i, y, ()| {
        let first = i * piece;
        let range = first * width..first * width + y.len();
        dispatch(Forward {
            x: &x[range.clone()],
            h: &h[range],
            gate,
            y,
            first,
            width,
            sharing,
        })
    })
}

fn add_gated_backward<T: Float>(
    threads: &dyn Threads,
    rows: &GatedRows,
    h: &[T],
    gate: &[T],
    gradient: &[T],
) -> [Vec<T>; 2] {
    let GatedRows { width, sharing, .. } = *rows;
    let mut dh = zeros(threads, h.len());
    let pieces = row_pieces(rows.rows, sharing);
    let mut partial = vec![T::ZERO; pieces.len() * width];
    let mut tasks = Vec::with_capacity(pieces.len());
    let mut rest = &mut dh[..];
    for (range, sums) in pieces.iter().zip(partial.chunks_exact_mut(width)) {
        let (dh, others) = rest.split_at_mut(range.len() * width);
        rest = others;
        let all = range.start * width..range.end * width;
        tasks.push(Backward {
            h: &h[all.clone()],
            g: &gradient[all],
            gate: &gate[range.start / sharing * width..][..width],
            dh,
            sums,
        });
    }
    threads.each(tasks, h.len(), |task: Backward<'_, T>| dispatch(task));
    let mut sums = vec![T::ZERO; gate.len()];
    let partial = partial.chunks_exact(width);
    add_pieces(&mut sums, width, sharing, &pieces, partial);
    [dh, sums]
}

struct Forward<'a, 'b, T> {
    x: &'a [T],
    h: &'a [T],
    gate: &'a [T],
    y: Unwritten<'b, T>,
    /// The first row.
    first: usize,
    width: usize,
    sharing: usize,
}

impl<'b, T: Float> WithSimd for Forward<'_, 'b, T> {
    type Output = &'b mut [T];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> &'b mut [T] {
        let width = self.width;
        self.y.write_runs(width, |i, y| {
            let offset = (self.first + i) / self.sharing * width;
            let gate = &self.gate[offset..][..width];
            let (x, h) = (&self.x[i * width..][..width], &self.h[i * width..][..width]);
            y.write(|j| gate[j].madd::<S>(h[j], x[j]))
        })
    }
}

/// `dh = g · gate`, and the sum of `g · h` over the rows.
struct Backward<'a, T> {
    h: &'a [T],
    g: &'a [T],
    gate: &'a [T],
    dh: &'a mut [T],
    sums: &'a mut [T],
}

impl<T: Float> WithSimd for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let width = self.gate.len();
        let rows = self.h.chunks_exact(width).zip(self.g.chunks_exact(width));
        for (dh, (h, g)) in self.dh.chunks_exact_mut(width).zip(rows) {
            let each = self.gate.iter().zip(self.sums.iter_mut());
            for ((dh, (h, g)), (gate, sum)) in dh.iter_mut().zip(h.iter().zip(g)).zip(each) {
                *sum += *g * *h;
                *dh = *g * *gate;
            }
        }
    }
}
