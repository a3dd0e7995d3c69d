//! Values, and the gradient of the images, which is a convolution too.

use advect_core::parallel;
use pulp::{Arch, Simd, WithSimd};

use super::strips::apart;
use super::transforms::{Pixels, Square, Values, Weights, transform};
use super::{NUMBERS, Row, SIDE, STEP, Sizes, Tiles, lanes};
use crate::cpu::Float;
use crate::cpu::convolution::{Begin, Geometry};
use crate::cpu::matmul::{Nothing, Right, Start, multiply};
use crate::cpu::matrix::{Matrix, Packed};

/// The value for images and weights `(outputs, inputs, 3, 3)`.
pub(in super::super) fn values<T: Float>(
    g: &Geometry,
    x: &[T],
    weight: &[T],
    begin: Begin<'_, T>,
) -> Vec<T> {
    let kernel = |i: usize, j: usize| 3 * i + j;
    let strides = [9 * g.inputs, 9];
    convolve(&Sizes::of(g), x, (weight, strides, kernel), begin)
}

/// The gradient of the images, given that of the value.
pub(in super::super) fn input_gradient<T: Float>(
    g: &Geometry,
    weight: &[T],
    gradient: &[T],
) -> Vec<T> {
    let turned = |i: usize, j: usize| 3 * (2 - i) + 2 - j;
    let strides = [9, 9 * g.inputs];
    let begin = Begin::default();
    convolve(
        &Sizes::backwards(g),
        gradient,
        (weight, strides, turned),
        begin,
    )
}

/// The weights come with the distances of outputs and of inputs, and the place of each of the nine.
fn convolve<T: Float>(
    s: &Sizes,
    x: &[T],
    weight: (&[T], [usize; 2], impl Fn(usize, usize) -> usize),
    begin: Begin<'_, T>,
) -> Vec<T> {
    let mut y = vec![T::ZERO; s.batch * s.outputs * s.positions()];
    if y.is_empty() {
        return y;
    }
    let weights = transformed(s, weight);
    // Few images are divided by their channels, too; each part transforms the pixels for itself.
    let parts = match parallel::worthwhile(s.time::<T>()) {
        true => parallel::threads().div_ceil(s.batch),
        false => 1,
    };
    let channels = lanes(s.outputs.div_ceil(parts));
    let [high, wide] = s.tiles();
    // Small images share products.
    let together = (8 / (high * wide)).clamp(1, s.batch.div_ceil(2 * parallel::threads()));
    let planes = s.outputs * s.positions();
    let mut tasks = Vec::new();
    for (k, y) in y.chunks_mut(together * planes).enumerate() {
        let count = y.len() / planes;
        let mut parts: Vec<Vec<&mut [T]>> = Vec::new();
        for y in y.chunks_mut(planes) {
            for (part, y) in y.chunks_mut(channels * s.positions()).enumerate() {
                match parts.get_mut(part) {
                    Some(images) => images.push(y),
                    None => parts.push(vec![y]),
                }
            }
        }
        for (part, y) in parts.into_iter().enumerate() {
            let first = k * together;
            tasks.push(Task {
                sizes: s,
                x: &x[first * s.inputs * s.area()..][..count * s.inputs * s.area()],
                weights: &weights,
                begin,
                image: first,
                channel: part * channels,
                y,
            });
        }
    }
    parallel::each(tasks, s.time::<T>(), |task: Task<'_, T>| {
        Arch::new().dispatch(task);
    });
    y
}

/// The transformed weights, (number, input, output), outputs filled up.
fn transformed<T: Float>(
    s: &Sizes,
    (weight, [to, from], place): (&[T], [usize; 2], impl Fn(usize, usize) -> usize),
) -> Vec<T> {
    let stride = lanes(s.outputs);
    let mut out = vec![T::ZERO; NUMBERS * s.inputs * stride];
    let mut lines = vec![T::ZERO; 9 * s.inputs * stride];
    for i in 0..3 {
        for j in 0..3 {
            let lines = lines[(3 * i + j) * s.inputs * stride..].chunks_exact_mut(stride);
            for (c, line) in lines.take(s.inputs).enumerate() {
                let source = weight[c * from + place(i, j)..].iter().step_by(to);
                for (out, w) in line.iter_mut().take(s.outputs).zip(source) {
                    *out = *w;
                }
            }
        }
    }
    let whole = Square {
        first: 0,
        row: 3 * s.inputs * stride,
        column: s.inputs * stride,
    };
    let to = Square {
        first: 0,
        row: SIDE * s.inputs * stride,
        column: s.inputs * stride,
    };
    struct Transform<'a, T>(usize, (&'a [T], Square), (&'a mut [T], Square));
    impl<T: Float> WithSimd for Transform<'_, T> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            transform::<Weights, S, T, 3, SIDE>(simd, self.0, self.1, self.2);
        }
    }
    let task = Transform(s.inputs * stride, (&lines, whole), (&mut out, to));
    Arch::new().dispatch(task);
    out
}

/// Some channels of some images.
struct Task<'a, T> {
    sizes: &'a Sizes,
    x: &'a [T],
    weights: &'a [T],
    begin: Begin<'a, T>,
    /// The first image and the first channel.
    image: usize,
    channel: usize,
    /// These channels of each image.
    y: Vec<&'a mut [T]>,
}

impl<T: Float> WithSimd for Task<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let s = self.sizes;
        let positions = s.positions();
        let channels = self.y[0].len() / positions;
        let mut add = false;
        for (i, y) in self.y.iter_mut().enumerate() {
            let plane = (self.image + i) * s.outputs + self.channel;
            add = self.begin.write(s.outputs, plane, positions, y);
        }
        let [high, wide] = s.tiles();
        let (inner, stride) = (lanes(s.inputs), lanes(channels));
        let most = s.rows::<T>() * wide;
        let mut pixels = Tiles::new(s.inputs, most);
        let mut products = vec![T::ZERO; NUMBERS * most * stride];
        let mut packed = Packed::default();
        let mut strip = vec![T::ZERO; STEP * wide * STEP * stride];
        // The rows of tiles of all images.
        let rows: Vec<(usize, usize)> = (0..self.y.len())
            .flat_map(|image| (0..high).map(move |row| (image, row)))
            .collect();
        for rows in rows.chunks(s.rows::<T>()) {
            let tiles = rows.len() * wide;
            for (k, &(image, row)) in rows.iter().enumerate() {
                let row = Row {
                    first: row * STEP,
                    padding: s.padding,
                    size: s.size,
                    tiles: wide,
                };
                let image = &self.x[image * s.inputs * s.area()..][..s.inputs * s.area()];
                let place = (k * wide, tiles);
                pixels.fill::<Pixels, S, SIDE>(simd, image, s.inputs, row, place);
            }
            for number in 0..NUMBERS {
                let pixels = Matrix {
                    columns: s.inputs,
                    ..Matrix::new(&pixels.values[number * tiles * inner..], tiles, inner)
                };
                let all = lanes(s.outputs);
                let weights = &self.weights[number * s.inputs * all..];
                let weights = Matrix::new(weights, s.inputs, all);
                let weights = weights.columns(self.channel, self.channel + stride);
                let right = match Right::rows::<S>(weights) {
                    Some(right) => right,
                    None => {
                        packed.fill(weights);
                        Right::Packed(&packed)
                    }
                };
                let out = &mut products[number * tiles * stride..][..tiles * stride];
                multiply(simd, pixels, right, out, stride, Start::Zero, &mut Nothing);
            }
            for (k, &(image, row)) in rows.iter().enumerate() {
                let line = wide * STEP * stride;
                for tile in 0..wide {
                    let from = Square {
                        first: (k * wide + tile) * stride,
                        row: SIDE * tiles * stride,
                        column: tiles * stride,
                    };
                    let to = Square {
                        first: tile * STEP * stride,
                        row: line,
                        column: stride,
                    };
                    let products = (&products[..], from);
                    transform::<Values, S, T, SIDE, STEP>(simd, stride, products, (&mut strip, to));
                }
                let [height, width] = s.out;
                let lines = (row * STEP..height).zip(strip.chunks_exact(line));
                for (y, line) in lines {
                    let out = &mut self.y[image][y * width..];
                    apart(line, stride, channels, width, out, positions, add);
                }
            }
        }
    }
}
