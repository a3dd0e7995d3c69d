//! The gradient of the weights: the algorithm transposed. With U the transformed weights, `dU = (A dY Aᵀ) (Bᵀ X B)`, summed
//! over all tiles, and `dW = Gᵀ dU G`.

use pulp::{Simd, WithSimd};

use super::transforms::{Gradient, Pixels, Square, WeightGradient, transform};
use super::{NUMBERS, Row, SIDE, STEP, Sizes, Tiles, lanes};
use crate::convolution::geometry::Geometry;
use crate::matmul::{Right, Start, multiply};
use crate::matrix::{Matrix, Packed};
use crate::{Buffer, Float, Threads, dispatch};

/// Parts into which sums over images are cut, whatever the number of threads.
const PARTS: usize = 4;
/// Tiles of a part.
const TILES: usize = 64;

/// The gradient of the weights, given that of the value.
pub(in super::super) fn weight_gradient<T: Float>(
    threads: &dyn Threads,
    g: &Geometry,
    x: &[T],
    gradient: &[T],
) -> Vec<T> {
    let s = Sizes::of(g);
    if s.batch * s.area() == 0 {
        return vec![T::ZERO; s.outputs * s.inputs * 9];
    }
    let stride = lanes(s.inputs);
    let [high, wide] = s.tiles();
    // Few tiles are not worth several sums.
    let parts = (s.batch * high * wide / TILES).clamp(1, PARTS);
    let images = s.batch.div_ceil(parts).max(1);
    let parts = s.batch.div_ceil(images).max(1);
    let splits = match threads.worthwhile(s.time::<T>()) {
        true => (2 * threads.count()).div_ceil(parts),
        false => 1,
    };
    let outputs = s.outputs.div_ceil(splits).next_multiple_of(8);
    // (part, outputs, number, output, input)
    let mut sums = Buffer::new(parts * NUMBERS * s.outputs * stride);
    let mut tasks = Vec::new();
    for (part, sums) in sums
        .chunks_exact_mut(NUMBERS * s.outputs * stride)
        .enumerate()
    {
        let first = part * images;
        let images = images.min(s.batch - first);
        let values = s.outputs * s.positions();
        for (k, sums) in sums.chunks_mut(NUMBERS * outputs * stride).enumerate() {
            tasks.push(Part {
                sizes: &s,
                x: &x[first * s.inputs * s.area()..][..images * s.inputs * s.area()],
                gradient: &gradient[first * values..][..images * values],
                output: k * outputs,
                sums,
            });
        }
    }
    threads.each(tasks, s.time::<T>(), |task: Part<'_, T>| {
        dispatch(task);
    });
    let mut out = vec![T::ZERO; s.outputs * s.inputs * 9];
    let tasks = out
        .chunks_mut(s.inputs * 9)
        .enumerate()
        .map(|(output, out)| Back {
            sizes: &s,
            sums: &sums,
            outputs,
            output,
            out,
        });
    let time = sums.len() * size_of::<T>() / 8;
    threads.each(tasks.collect(), time, |task: Back<'_, T>| {
        dispatch(task);
    });
    out
}

/// Some images, and some outputs.
struct Part<'a, T> {
    sizes: &'a Sizes,
    x: &'a [T],
    gradient: &'a [T],
    /// The first output.
    output: usize,
    /// (number, output, input).
    sums: &'a mut [T],
}

impl<T: Float> WithSimd for Part<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let s = self.sizes;
        let [high, wide] = s.tiles();
        let inputs = lanes(s.inputs);
        let count = self.sums.len() / (NUMBERS * inputs);
        let outputs = lanes(count);
        let most = s.rows::<T>() * wide;
        let mut pixels = Tiles::new(s.inputs, most);
        let mut gradients = Tiles::new(count, most);
        let mut packed = Packed::default();
        let images = self.x.len() / (s.inputs * s.area());
        let rows: Vec<(usize, usize)> = (0..images)
            .flat_map(|image| (0..high).map(move |row| (image, row)))
            .collect();
        for (k, rows) in rows.chunks(s.rows::<T>()).enumerate() {
            let tiles = rows.len() * wide;
            for (k, &(image, row)) in rows.iter().enumerate() {
                let place = (k * wide, tiles);
                let row = Row {
                    first: row * STEP,
                    padding: s.padding,
                    size: s.size,
                    tiles: wide,
                };
                let x = &self.x[image * s.inputs * s.area()..];
                pixels.fill::<Pixels, S, SIDE>(simd, x, s.inputs, row, place);
                let row = Row {
                    padding: [0, 0],
                    size: s.out,
                    ..row
                };
                let plane = image * s.outputs + self.output;
                let dy = &self.gradient[plane * s.positions()..];
                gradients.fill::<Gradient, S, STEP>(simd, dy, count, row, place);
            }
            for (number, sums) in (self.sums.chunks_exact_mut(count * inputs)).enumerate() {
                let gradients = &gradients.values[number * tiles * outputs..];
                let gradients = Matrix::new(gradients, tiles, outputs).columns(0, count);
                let pixels = Matrix::new(&pixels.values[number * tiles * inputs..], tiles, inputs);
                let right = match Right::rows::<S>(pixels) {
                    Some(right) => right,
                    None => {
                        packed.fill(pixels);
                        Right::Packed(&packed)
                    }
                };
                let left = gradients.transposed();
                let start = if k == 0 { Start::Zero } else { Start::Present };
                multiply(simd, left, right, sums, inputs, start, None);
            }
        }
    }
}

/// The weights of an output.
struct Back<'a, T> {
    sizes: &'a Sizes,
    sums: &'a [T],
    /// Outputs that were summed together.
    outputs: usize,
    output: usize,
    out: &'a mut [T],
}

impl<T: Float> WithSimd for Back<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let s = self.sizes;
        let stride = lanes(s.inputs);
        let mut total = vec![T::ZERO; NUMBERS * stride];
        for part in self.sums.chunks_exact(NUMBERS * s.outputs * stride) {
            let mut part = part.chunks(NUMBERS * self.outputs * stride);
            let Some(part) = part.nth(self.output / self.outputs) else {
                continue;
            };
            let (first, count) = (self.output % self.outputs, part.len() / (NUMBERS * stride));
            let lines = part.chunks_exact(stride).skip(first).step_by(count);
            for (total, line) in total.chunks_exact_mut(stride).zip(lines) {
                for (total, x) in total.iter_mut().zip(line) {
                    *total += *x;
                }
            }
        }
        let mut weights = vec![T::ZERO; 9 * stride];
        let (from, to) = (
            Square {
                first: 0,
                row: SIDE * stride,
                column: stride,
            },
            Square {
                first: 0,
                row: 3 * stride,
                column: stride,
            },
        );
        let out = (&mut weights[..], to);
        transform::<WeightGradient, S, T, SIDE, 3>(simd, stride, (&total, from), out);
        for (c, out) in self.out.chunks_exact_mut(9).enumerate() {
            for (k, out) in out.iter_mut().enumerate() {
                *out = weights[k * stride + c];
            }
        }
    }
}
