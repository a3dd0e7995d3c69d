//! Values, and the gradient of the images, which is a convolution too.

use advect_core::parallel;
use pulp::{Arch, Simd, WithSimd};

use super::strips::apart;
use super::transforms::{Pixels, Square, Values, Weights, transform};
use super::{LANES, NUMBERS, Row, SIDE, STEP, Sizes, Tiles, lanes};
use crate::cpu::convolution::{Begin, Geometry};
use crate::cpu::matmul::{Nothing, Right, Start, multiply};
use crate::cpu::matrix::{Matrix, Packed};
use crate::cpu::{Buffer, Float};

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
    // Small images share products. Few images are divided by their channels, too; each part transforms the pixels for itself.
    let [high, wide] = s.tiles();
    let together = (16 / (high * wide)).clamp(1, s.batch);
    let parts = match parallel::worthwhile(s.time::<T>()) {
        true => (2 * parallel::threads()).div_ceil(s.batch.div_ceil(together)),
        false => 1,
    };
    let channels = lanes(s.outputs.div_ceil(parts)).next_multiple_of(2 * LANES);
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

/// The transformed weights of each number, inputs by outputs, which are filled up.
fn transformed<T: Float>(
    s: &Sizes,
    (weight, [to, from], place): (&[T], [usize; 2], impl Fn(usize, usize) -> usize),
) -> Vec<Packed<T>> {
    let stride = lanes(s.outputs);
    let mut out = Buffer::new(s.inputs * NUMBERS * stride);
    let place: [usize; 9] = std::array::from_fn(|k| place(k / 3, k % 3));
    let inputs = out.chunks_exact_mut(NUMBERS * stride).enumerate();
    let tasks = inputs.map(|(c, out)| Input {
        weight: &weight[c * from..],
        step: to,
        place,
        outputs: s.outputs,
        out,
    });
    parallel::each(
        tasks.collect(),
        s.inputs * stride * 10,
        |task: Input<'_, T>| {
            Arch::new().dispatch(task);
        },
    );
    let mut packed: Vec<Packed<T>> = (0..NUMBERS).map(|_| Packed::default()).collect();
    let tasks = packed.iter_mut().enumerate().collect();
    parallel::each(
        tasks,
        out.len(),
        |(number, packed): (usize, &mut Packed<T>)| {
            packed.fill(Matrix {
                values: &out[number * stride..],
                rows: s.inputs,
                columns: stride,
                row_stride: NUMBERS * stride,
                column_stride: 1,
            });
        },
    );
    packed
}

/// The weights of an input, transformed.
struct Input<'a, T> {
    weight: &'a [T],
    /// From one output to the next.
    step: usize,
    place: [usize; 9],
    outputs: usize,
    /// (number, output).
    out: &'a mut [T],
}

impl<T: Float> WithSimd for Input<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let stride = self.out.len() / NUMBERS;
        let mut lines = vec![T::ZERO; 9 * stride];
        for (o, weights) in self.weight.chunks(self.step).take(self.outputs).enumerate() {
            for (k, place) in self.place.into_iter().enumerate() {
                lines[k * stride + o] = weights[place];
            }
        }
        let square = |side| Square {
            first: 0,
            row: side * stride,
            column: stride,
        };
        let out = (self.out, square(SIDE));
        transform::<Weights, S, T, 3, SIDE>(simd, stride, (&lines, square(3)), out);
    }
}

/// Some channels of some images.
struct Task<'a, T: Float> {
    sizes: &'a Sizes,
    x: &'a [T],
    weights: &'a [Packed<T>],
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
        let mut products = Buffer::new(NUMBERS * most * stride);
        let mut strip = Buffer::new(STEP * wide * STEP * stride);
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
                let right = Right::Columns(&self.weights[number], self.channel, stride);
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
