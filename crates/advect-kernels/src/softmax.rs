//! Softmax of rows.

use pulp::{Simd, WithSimd};

use crate::math::Math;
use crate::{Float, Threads, dispatch, kernels, sums};

kernels! {
    /// The kernels of softmax, of rows of `width` numbers.
    pub trait Softmax {
        /// Returns `e^(x_i) / Σ_j e^(x_j)`, with the largest element of each row subtracted first.
        fn softmax(threads: &dyn Threads, x: &[Self], width: usize) -> Vec<Self>;

        /// Returns the gradient `y_i (g_i − Σ_j y_j g_j)`, given the value y and its gradient g.
        fn softmax_backward(
            threads: &dyn Threads,
            y: &[Self],
            g: &[Self],
            width: usize,
        ) -> Vec<Self>;
    }
}

fn softmax<T: Float>(threads: &dyn Threads, x: &[T], width: usize) -> Vec<T> {
    let mut values = x.to_vec();
    let piece = piece(threads, x.len(), width, 20);
    let tasks = values.chunks_mut(piece).collect();
    threads.each(tasks, x.len() * 20 / 10, |y: &mut [T]| {
        dispatch(Forward { y, width })
    });
    values
}

fn softmax_backward<T: Float>(threads: &dyn Threads, y: &[T], g: &[T], width: usize) -> Vec<T> {
    let mut gradient = g.to_vec();
    let piece = piece(threads, y.len(), width, 8);
    let tasks = gradient.chunks_mut(piece).zip(y.chunks(piece)).collect();
    threads.each(tasks, y.len(), |(g, y): (&mut [T], &[T])| {
        dispatch(Backward { y, g, width });
    });
    gradient
}

/// Elements in a piece of whole rows; `cost` in tenths of a nanosecond an element.
fn piece(threads: &dyn Threads, count: usize, width: usize, cost: usize) -> usize {
    threads.piece(count / width, 1, count * cost / 10) * width
}

struct Forward<'a, T> {
    y: &'a mut [T],
    width: usize,
}

impl<T: Float> WithSimd for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for row in self.y.chunks_exact_mut(self.width) {
            let largest = sums::maximum(row);
            let sum = exponentials::<S, T>(row, T::ONE, largest);
            let inverse = T::ONE / sum;
            for y in row {
                *y *= inverse;
            }
        }
    }
}

/// Replaces x by `e^(scale · x − largest)`; returns the sum.
#[inline(always)]
pub(crate) fn exponentials<S: Simd, T: Float>(row: &mut [T], scale: T, largest: T) -> T {
    for y in row.iter_mut() {
        *y = Math::exp::<S>(y.madd::<S>(scale, -largest));
    }
    sums::sum(row, T::ZERO, |y| y)
}

struct Backward<'a, T> {
    y: &'a [T],
    g: &'a mut [T],
    width: usize,
}

impl<T: Float> WithSimd for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let rows = self.g.chunks_exact_mut(self.width);
        for (g, y) in rows.zip(self.y.chunks_exact(self.width)) {
            let [product, _] = sums::sum_pairs(y, g, |y, g| [y * g, T::ZERO]);
            for (g, y) in g.iter_mut().zip(y) {
                *g = *y * (*g - product);
            }
        }
    }
}
