//! Squared errors of samples, in one pass each way.

use pulp::{Simd, WithSimd};

use crate::{Float, Threads, Unwritten, dispatch, fill, kernels, sums};

kernels! {
    /// The kernels of squared errors.
    pub trait SquaredErrors {
        /// Returns `Σ (x − y)²` of each of `batch` samples.
        fn squared_errors(threads: &dyn Threads, x: &[Self], y: &[Self], batch: usize) -> Vec<Self>;

        /// Returns `c c_i (x − y)`, with a factor for each sample.
        fn differences(
            threads: &dyn Threads,
            x: &[Self],
            y: &[Self],
            factors: &[Self],
            c: Self,
        ) -> Vec<Self>;
    }
}

fn squared_errors<T: Float>(threads: &dyn Threads, x: &[T], y: &[T], batch: usize) -> Vec<T> {
    let width = x.len() / batch;
    let time = x.len() / 4;
    let piece = threads.piece(batch, 1, time);
    let pieces = std::iter::repeat_n((), batch.div_ceil(piece));
    fill(threads, batch, piece, pieces, time, |i, out, ()| {
        let range = i * piece * width..(i * piece + out.len()) * width;
        let (x, y) = (&x[range.clone()], &y[range]);
        dispatch(Sums { x, y, width, out })
    })
}

fn differences<T: Float>(threads: &dyn Threads, x: &[T], y: &[T], factors: &[T], c: T) -> Vec<T> {
    let batch = factors.len();
    let width = x.len() / batch;
    let time = x.len() / 3;
    let rows = threads.piece(batch, 1, time);
    let pieces = std::iter::repeat_n((), batch.div_ceil(rows));
    fill(
        threads,
        x.len(),
        rows * width.max(1),
        pieces,
        time,
        |i, out, ()| {
            let first = i * rows;
            let range = first * width..first * width + out.len();
            dispatch(Slope {
                x: &x[range.clone()],
                y: &y[range],
                factors: &factors[first..],
                width,
                c,
                out,
            })
        },
    )
}

/// The sums of some rows.
struct Sums<'a, 'b, T> {
    x: &'a [T],
    y: &'a [T],
    width: usize,
    out: Unwritten<'b, T>,
}

impl<'b, T: Float> WithSimd for Sums<'_, 'b, T> {
    type Output = &'b mut [T];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> &'b mut [T] {
        self.out.write(|i| {
            let row = i * self.width..(i + 1) * self.width;
            let [sum, _] = sums::sum_pairs(&self.x[row.clone()], &self.y[row], |x, y| {
                let e = x - y;
                [e * e, T::ZERO]
            });
            sum
        })
    }
}

/// `c c_i (x − y)`.
struct Slope<'a, 'b, T> {
    x: &'a [T],
    y: &'a [T],
    factors: &'a [T],
    width: usize,
    c: T,
    out: Unwritten<'b, T>,
}

impl<'b, T: Float> WithSimd for Slope<'_, 'b, T> {
    type Output = &'b mut [T];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> &'b mut [T] {
        self.out.write_runs(self.width, |i, out| {
            let row = i * self.width..(i + 1) * self.width;
            let (x, y) = (&self.x[row.clone()], &self.y[row]);
            let c = self.c * self.factors[i];
            let (x, y) = (&x[..out.len()], &y[..out.len()]);
            out.write(|k| c * (x[k] - y[k]))
        })
    }
}
