//! Errors measured against tolerances, in one pass.

use pulp::{Simd, WithSimd};

use crate::{Float, Threads, dispatch, kernels};

/// The sum of the squares of some numbers, and their largest magnitude.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Total {
    /// The sum of the squares.
    pub squares: f64,
    /// The largest magnitude. It has no meaning if there is a NaN, which the sum shows.
    pub largest: f64,
}

kernels! {
    /// The kernels of scaled errors, the ratios `e / (atol + rtol · max(|x|, |y|))`.
    pub trait ScaledErrors {
        /// Returns the total of all ratios.
        fn scaled_error(
            threads: &dyn Threads,
            error: &[Self],
            x: &[Self],
            y: &[Self],
            rtol: f64,
            atol: f64,
        ) -> Total;

        /// Returns the total of the ratios of each sample of `width` numbers.
        fn scaled_errors(
            error: &[Self],
            x: &[Self],
            y: &[Self],
            rtol: f64,
            atol: f64,
            width: usize,
        ) -> Vec<Total>;
    }
}

/// Elements summed at a time.
const PIECE: usize = 4096;

fn scaled_error<T: Float>(
    threads: &dyn Threads,
    error: &[T],
    x: &[T],
    y: &[T],
    rtol: f64,
    atol: f64,
) -> Total {
    let count = error.len();
    let (rtol, atol) = (T::of(rtol), T::of(atol));
    let piece = |i: usize| {
        let range = i * PIECE..count.min((i + 1) * PIECE);
        let (error, x, y) = (&error[range.clone()], &x[range.clone()], &y[range]);
        dispatch(Ratios {
            error,
            x,
            y,
            rtol,
            atol,
        })
    };
    if count <= PIECE {
        return piece(0);
    }
    // The pieces don't depend on the number of threads, so neither does their sum.
    let mut pieces = vec![Total::default(); count.div_ceil(PIECE)];
    let items = pieces.iter_mut().enumerate().collect();
    threads.each(items, count / 2, |(i, out): (usize, &mut Total)| {
        *out = piece(i)
    });
    pieces
        .into_iter()
        .fold(Total::default(), |all, piece| Total {
            squares: all.squares + piece.squares,
            largest: all.largest.max(piece.largest),
        })
}

fn scaled_errors<T: Float>(
    error: &[T],
    x: &[T],
    y: &[T],
    rtol: f64,
    atol: f64,
    width: usize,
) -> Vec<Total> {
    let (rtol, atol) = (T::of(rtol), T::of(atol));
    let sample = |i: usize| {
        let range = i * width..(i + 1) * width;
        let (error, x, y) = (&error[range.clone()], &x[range.clone()], &y[range]);
        dispatch(Ratios {
            error,
            x,
            y,
            rtol,
            atol,
        })
    };
    (0..error.len() / width).map(sample).collect()
}

struct Ratios<'a, T> {
    error: &'a [T],
    x: &'a [T],
    y: &'a [T],
    rtol: T,
    atol: T,
}

impl<T: Float> WithSimd for Ratios<'_, T> {
    type Output = Total;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Total {
        const LANES: usize = 16;
        let n = self.error.len();
        let (x, y) = (&self.x[..n], &self.y[..n]);
        let mut sums = [0f64; LANES];
        let mut largest = [0f64; LANES];
        for start in (0..n).step_by(LANES) {
            for (lane, i) in (start..n.min(start + LANES)).enumerate() {
                let (a, b) = (x[i].magnitude(), y[i].magnitude());
                let scale = self.rtol.madd::<S>(if a > b { a } else { b }, self.atol);
                let ratio = (self.error[i] / scale).to_f64();
                sums[lane] += ratio * ratio;
                let magnitude = ratio.abs();
                if magnitude > largest[lane] {
                    largest[lane] = magnitude;
                }
            }
        }
        Total {
            squares: sums.iter().sum(),
            largest: largest.iter().fold(0.0, |a, b| f64::max(a, *b)),
        }
    }
}
