//! The logarithm of softmax at one element of each row.

use pulp::{Simd, WithSimd};

use crate::softmax::exponentials;
use crate::{Float, Threads, dispatch, kernels, sums};

kernels! {
    /// The kernels of the logarithm of softmax, of rows of `width` numbers.
    pub trait LogSoftmax {
        /// Returns `x_c − ln Σ_j e^(x_j)` of each row, with c from `chosen`.
        fn log_softmax_at(
            threads: &dyn Threads,
            x: &[Self],
            width: usize,
            chosen: &[u32],
        ) -> Vec<Self>;

        /// Returns the gradient of the rows, `g (1 − softmax)` at c and `−g softmax` elsewhere, given one number g for each row.
        fn log_softmax_at_backward(
            threads: &dyn Threads,
            x: &[Self],
            width: usize,
            chosen: &[u32],
            gradient: &[Self],
        ) -> Vec<Self>;
    }
}

/// Rows in a piece of work, and its nanoseconds.
fn piece(threads: &dyn Threads, rows: usize, width: usize) -> (usize, usize) {
    let time = 2 * rows * width;
    (threads.piece(rows, 1, time).max(1), time)
}

fn log_softmax_at<T: Float>(
    threads: &dyn Threads,
    x: &[T],
    width: usize,
    chosen: &[u32],
) -> Vec<T> {
    assert!(width > 0 && x.len() == chosen.len() * width);
    let mut values = vec![T::ZERO; chosen.len()];
    let (piece, time) = piece(threads, chosen.len(), width);
    let inputs = x.chunks(piece * width).zip(chosen.chunks(piece));
    let tasks = values.chunks_mut(piece).zip(inputs);
    let tasks = tasks.map(|(values, (x, chosen))| Forward {
        x,
        width,
        chosen,
        values,
    });
    threads.each(tasks.collect(), time, |task: Forward<'_, T>| dispatch(task));
    values
}

struct Forward<'a, T> {
    x: &'a [T],
    width: usize,
    chosen: &'a [u32],
    values: &'a mut [T],
}

impl<T: Float> WithSimd for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let mut row = vec![T::ZERO; self.width];
        let each = self.x.chunks_exact(self.width).zip(self.chosen);
        for (value, (x, &chosen)) in self.values.iter_mut().zip(each) {
            row.copy_from_slice(x);
            let largest = sums::maximum(&row);
            let sum = exponentials::<S, T>(&mut row, T::ONE, largest);
            *value = (x[chosen as usize] - largest) - T::of(sum.to_f64().ln());
        }
    }
}

fn log_softmax_at_backward<T: Float>(
    threads: &dyn Threads,
    x: &[T],
    width: usize,
    chosen: &[u32],
    gradient: &[T],
) -> Vec<T> {
    assert!(width > 0 && x.len() == chosen.len() * width && gradient.len() == chosen.len());
    let mut out = x.to_vec();
    let (piece, time) = piece(threads, chosen.len(), width);
    let inputs = chosen.chunks(piece).zip(gradient.chunks(piece));
    let tasks = out.chunks_mut(piece * width).zip(inputs);
    let tasks = tasks.map(|(out, (chosen, gradient))| Backward {
        out,
        width,
        chosen,
        gradient,
    });
    threads.each(tasks.collect(), time, |task: Backward<'_, T>| {
        dispatch(task);
    });
    out
}

/// Replaces x by its gradient.
struct Backward<'a, T> {
    out: &'a mut [T],
    width: usize,
    chosen: &'a [u32],
    gradient: &'a [T],
}

impl<T: Float> WithSimd for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let rows = self.out.chunks_exact_mut(self.width);
        for (row, (&chosen, &g)) in rows.zip(self.chosen.iter().zip(self.gradient)) {
            let largest = sums::maximum(row);
            let sum = exponentials::<S, T>(row, T::ONE, largest);
            let factor = -g / sum;
            for x in row.iter_mut() {
                *x *= factor;
            }
            row[chosen as usize] += g;
        }
    }
}
