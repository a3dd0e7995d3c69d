//! Sums of squares.

use pulp::{Simd, WithSimd};

use crate::{Float, Threads, dispatch, sums};

/// Elements in a piece of work.
const PIECE: usize = 16_384;

pub(super) fn sum_squares<T: Float>(threads: &dyn Threads, x: &[T], factor: f64) -> f64 {
    // The pieces don't depend on the number of threads, so neither does their sum.
    let mut pieces = vec![0.0; x.len().div_ceil(PIECE)];
    let items = pieces.iter_mut().zip(x.chunks(PIECE)).collect();
    threads.each(items, x.len() / 4, |(sum, x): (&mut f64, &[T])| {
        *sum = dispatch(Squares(x, factor));
    });
    pieces.iter().sum()
}

struct Squares<'a, T>(&'a [T], f64);

impl<T: Float> WithSimd for Squares<'_, T> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        sums::sum(self.0, 0f64, |x| {
            let x = x.to_f64() * self.1;
            x * x
        })
    }
}
