//! Values, and the gradient of the images, which is a convolution too.

use std::sync::atomic::{AtomicBool, Ordering};

use pulp::{Simd, WithSimd};

use super::strips::apart;
use super::transforms::{Pixels, Square, Values, Weights, transform};
use super::{LANES, NUMBERS, Row, SIDE, STEP, Sizes, Tiles, lanes};
use crate::convolution::forward::Begin;
use crate::convolution::geometry::Geometry;
use crate::matmul::{Right, Start, multiply};
use crate::matrix::{DEPTH, Matrix, PANEL, Packed};
use crate::{Buffer, Float, Threads, dispatch, squares};

/// Writes the value for images and weights `(outputs, inputs, 3, 3)`. Returns the images whose values are not all finite: sums of
/// a tile overflow, or hold NaN, where those that define the convolution may not.
pub(in super::super) fn values<T: Float>(
    threads: &dyn Threads,
    g: &Geometry,
    x: &[T],
    weight: &[T],
    begin: Begin<'_, T>,
    y: &mut [T],
) -> Vec<usize> {
    let kernel = std::array::from_fn(|k| k);
    let strides = [9 * g.inputs, 9];
    convolve(
        threads,
        &Sizes::of(g),
        x,
        (weight, strides, kernel),
        begin,
        y,
    )
}

/// Writes the gradient of the images, given that of the value. Returns as [`values`].
pub(in super::super) fn input_gradient<T: Float>(
    threads: &dyn Threads,
    g: &Geometry,
    weight: &[T],
    gradient: &[T],
    dx: &mut [T],
) -> Vec<usize> {
    let turned = std::array::from_fn(|k| 8 - k);
    let strides = [9, 9 * g.inputs];
    let begin = Begin::default();
    convolve(
        threads,
        &Sizes::backwards(g),
        gradient,
        (weight, strides, turned),
        begin,
        dx,
    )
}

/// The weights come with the distances of outputs and of inputs, and the places that the nine go to.
fn convolve<T: Float>(
    threads: &dyn Threads,
    s: &Sizes,
    x: &[T],
    weight: (&[T], [usize; 2], [usize; 9]),
    begin: Begin<'_, T>,
    y: &mut [T],
) -> Vec<usize> {
    if y.is_empty() {
        return Vec::new();
    }
    let weights = transformed(threads, s, weight);
    // Small images share products. Few images are divided by their channels, too; each part transforms the pixels for itself.
    let [high, wide] = s.tiles();
    let together = (16 / (high * wide)).clamp(1, s.batch);
    let parts = match threads.worthwhile(s.time::<T>()) {
        true => (2 * threads.count()).div_ceil(s.batch.div_ceil(together)),
        false => 1,
    };
    let channels = lanes(s.outputs.div_ceil(parts)).next_multiple_of(2 * LANES);
    let planes = s.outputs * s.positions();
    let finite: Vec<AtomicBool> = (0..s.batch).map(|_| AtomicBool::new(true)).collect();
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
                finite: &finite[first..],
            });
        }
    }
    threads.each(tasks, s.time::<T>(), |task: Task<'_, T>| {
        dispatch(task);
    });
    let images = finite.into_iter().enumerate();
    let others = images.filter(|(_, finite)| !finite.load(Ordering::Relaxed));
    others.map(|(image, _)| image).collect()
}

/// The transformed weights of each number, inputs by outputs, which are filled up.
fn transformed<T: Float>(
    threads: &dyn Threads,
    s: &Sizes,
    (weight, [to, from], places): (&[T], [usize; 2], [usize; 9]),
) -> Vec<Packed<T>> {
    let stride = lanes(s.outputs);
    let mut packed: Vec<Packed<T>> = (0..NUMBERS).map(|_| Packed::default()).collect();
    let mut tasks = Vec::new();
    for input in (0..s.inputs).step_by(DEPTH) {
        for output in (0..s.outputs).step_by(PANEL) {
            tasks.push(Panel {
                weight: &weight[output * to + input * from..],
                steps: [to, from],
                places,
                outputs: PANEL.min(s.outputs - output),
                numbers: Vec::with_capacity(NUMBERS),
            });
        }
    }
    for packed in &mut packed {
        packed.resize(s.inputs, stride);
        for (task, panel) in tasks.iter_mut().zip(packed.panels_mut()) {
            task.numbers.push(panel);
        }
    }
    threads.each(tasks, s.inputs * stride * 10, |task: Panel<'_, T>| {
        dispatch(task);
    });
    packed
}

/// The weights of some outputs and some inputs, transformed.
struct Panel<'a, T> {
    weight: &'a [T],
    /// The distance from one output to the next, and from one input to the next.
    steps: [usize; 2],
    /// The place of each of the nine numbers.
    places: [usize; 9],
    outputs: usize,
    /// The panel of each number: (input, output).
    numbers: Vec<&'a mut [T]>,
}

impl<T: Float> WithSimd for Panel<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let [to, from] = self.steps;
        let square = |side| Square {
            first: 0,
            row: side * PANEL,
            column: PANEL,
        };
        let mut lines = [T::ZERO; 9 * PANEL];
        let mut transformed = [T::ZERO; NUMBERS * PANEL];
        for input in 0..self.numbers[0].len() / PANEL {
            let weights = &self.weight[input * from..];
            let whole = self.outputs - self.outputs % squares::SIDE;
            for output in (0..whole).step_by(squares::SIDE) {
                let weights = &weights[output * to..];
                for (place, some) in self.places.iter().zip(squares::columns(weights, to)) {
                    lines[place * PANEL + output..][..squares::SIDE].copy_from_slice(&some);
                }
                for (output, weights) in (output..).zip(weights.chunks(to)).take(squares::SIDE) {
                    lines[self.places[8] * PANEL + output] = weights[8];
                }
            }
            for output in whole..self.outputs {
                for (place, weight) in self.places.iter().zip(&weights[output * to..]) {
                    lines[place * PANEL + output] = *weight;
                }
            }
            let out = (&mut transformed[..], square(SIDE));
            transform::<Weights, S, T, 3, SIDE>(simd, PANEL, (&lines, square(3)), out);
            let line = input * PANEL..(input + 1) * PANEL;
            for (panel, x) in self.numbers.iter_mut().zip(transformed.chunks_exact(PANEL)) {
                panel[line.clone()].copy_from_slice(x);
            }
        }
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
    /// Whether all values of an image are finite.
    finite: &'a [AtomicBool],
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
                multiply(simd, pixels, right, out, stride, Start::Zero, None);
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
                    if !apart(line, stride, channels, width, out, positions, add) {
                        self.finite[image].store(false, Ordering::Relaxed);
                    }
                }
            }
        }
    }
}
