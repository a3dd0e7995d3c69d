//! Images and sequences, enlarged and shrunk.

use crate::{Float, Threads, kernels, zeros};

kernels! {
    /// The kernels between images and enlarged images, `factors` times as high and as wide. The smaller lines have
    /// `width` pixels.
    pub trait Planes {
        /// Spreads each pixel of the smaller images, times `scale`, over a rectangle.
        fn spread(
            threads: &dyn Threads,
            x: &[Self],
            width: usize,
            factors: [usize; 2],
            scale: Self,
        ) -> Vec<Self>;

        /// Returns the sum of each rectangle of the larger images, times `scale`.
        fn gather(
            threads: &dyn Threads,
            y: &[Self],
            width: usize,
            factors: [usize; 2],
            scale: Self,
        ) -> Vec<Self>;
    }
}

/// Copies each pixel to a rectangle, `scale` times itself.
fn spread<T: Float>(
    threads: &dyn Threads,
    x: &[T],
    width: usize,
    factors: [usize; 2],
    scale: T,
) -> Vec<T> {
    let [high, wide] = factors;
    let mut y = zeros(threads, x.len() * high * wide);
    if x.is_empty() {
        return y;
    }
    let out = width * wide;
    let lines = y.chunks_mut(out * high).zip(x.chunks(width)).collect();
    threads.each(
        lines,
        x.len() * high * wide / 4,
        |(y, x): (&mut [T], &[T])| {
            let (first, rest) = y.split_at_mut(out);
            for (y, x) in first.chunks_exact_mut(wide).zip(x) {
                y.fill(*x * scale);
            }
            for y in rest.chunks_exact_mut(out) {
                y.copy_from_slice(first);
            }
        },
    );
    y
}

/// Sums rectangles of pixels, and multiplies by `scale`.
fn gather<T: Float>(
    threads: &dyn Threads,
    y: &[T],
    width: usize,
    factors: [usize; 2],
    scale: T,
) -> Vec<T> {
    let [high, wide] = factors;
    let mut x = zeros(threads, y.len() / (high * wide));
    if x.is_empty() {
        return x;
    }
    let line = width * wide;
    let lines = x.chunks_mut(width).zip(y.chunks(line * high)).collect();
    threads.each(lines, y.len() / 2, |(x, y): (&mut [T], &[T])| {
        for y in y.chunks_exact(line) {
            for (x, y) in x.iter_mut().zip(y.chunks_exact(wide)) {
                for y in y {
                    *x += *y;
                }
            }
        }
        for x in x.iter_mut() {
            *x *= scale;
        }
        // A mean may be finite where the sum is not.
        if scale != T::ONE && !x.iter().all(|x| x.finite()) {
            x.fill(T::ZERO);
            for y in y.chunks_exact(line) {
                for (x, y) in x.iter_mut().zip(y.chunks_exact(wide)) {
                    for y in y {
                        *x += *y * scale;
                    }
                }
            }
        }
    });
    x
}
