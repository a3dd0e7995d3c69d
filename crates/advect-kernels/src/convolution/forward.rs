//! The value of a convolution.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::geometry::Geometry;
use super::winograd;
use crate::matmul::{Right, Start, multiply};
use crate::matrix::{Matrix, Packed};
use crate::{Float, Threads, dispatch, zeros};

/// The terms to which a value is added.
#[derive(Clone, Copy, Default)]
pub struct Begin<'a, T> {
    /// One number for each channel.
    pub bias: Option<&'a [T]>,
    /// One number for each channel of each image.
    pub channels: Option<&'a [T]>,
    /// One number for each pixel.
    pub whole: Option<&'a [T]>,
}

impl<T: Float> Begin<'_, T> {
    /// Writes it for channels of an image; `first` counts the planes of all images of `outputs` channels. Returns whether there is
    /// something.
    #[inline(always)]
    pub(super) fn write(
        &self,
        outputs: usize,
        first: usize,
        positions: usize,
        y: &mut [T],
    ) -> bool {
        if let Some(whole) = self.whole {
            y.copy_from_slice(&whole[first * positions..][..y.len()]);
        }
        if self.bias.is_none() && self.channels.is_none() {
            return self.whole.is_some();
        }
        for (plane, y) in (first..).zip(y.chunks_exact_mut(positions)) {
            let bias = self.bias.map_or(T::ZERO, |bias| bias[plane % outputs]);
            let sum = bias + self.channels.map_or(T::ZERO, |channels| channels[plane]);
            match self.whole {
                Some(_) => y.iter_mut().for_each(|y| *y += sum),
                None => y.fill(sum),
            }
        }
        true
    }
}

/// The value for images x, `(batch, channels, height, width)`, and weights `(outputs, inputs of a group, ...)`.
pub(super) fn convolve<T: Float>(
    threads: &dyn Threads,
    g: &Geometry,
    x: &[T],
    weight: &[T],
    begin: Begin<'_, T>,
) -> Vec<T> {
    let mut y = zeros(threads, g.batch * g.groups * g.outputs * g.positions());
    if winograd::fits(g) {
        // What has overflowed is made again.
        for image in winograd::values(threads, g, x, weight, begin, &mut y) {
            direct(threads, g, x, weight, begin, image..image + 1, &mut y);
        }
    } else {
        direct(threads, g, x, weight, begin, 0..g.batch, &mut y);
    }
    y
}

/// Writes the value of some images by the sums that define it.
fn direct<T: Float>(
    threads: &dyn Threads,
    g: &Geometry,
    x: &[T],
    weight: &[T],
    begin: Begin<'_, T>,
    images: Range<usize>,
    y: &mut [T],
) {
    if y.is_empty() {
        return;
    }
    let (positions, depth) = (g.positions(), g.depth());
    let g = &Geometry {
        batch: images.len(),
        ..*g
    };
    let time = g.time::<T>();
    // Few images are divided by their channels, too; each part packs for itself.
    let parts = match threads.worthwhile(time) {
        true => (2 * threads.count()).div_ceil(g.batch * g.groups),
        false => 1,
    };
    let rows = g.outputs.div_ceil(parts).next_multiple_of(8).min(g.outputs);
    let mut tasks = Vec::new();
    let places = (y.chunks_exact_mut(g.outputs * positions).enumerate())
        .take(images.end * g.groups)
        .skip(images.start * g.groups);
    for (image, y) in places {
        let group = image % g.groups;
        for (part, y) in y.chunks_mut(rows * positions).enumerate() {
            let first = group * g.outputs + part * rows;
            let count = y.len() / positions;
            tasks.push(Forward {
                geometry: g,
                x: &x[image * g.inputs * g.area()..][..g.inputs * g.area()],
                weight: Matrix::new(&weight[first * depth..], count, depth),
                begin,
                plane: image * g.outputs + part * rows,
                y,
            });
        }
    }
    threads.each(tasks, time, |task: Forward<'_, T>| dispatch(task));
}

/// Some channels of an image.
struct Forward<'a, T> {
    geometry: &'a Geometry,
    x: &'a [T],
    weight: Matrix<'a, T>,
    begin: Begin<'a, T>,
    /// The first channel, counted through all images.
    plane: usize,
    y: &'a mut [T],
}

impl<T: Float> WithSimd for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (g, positions) = (self.geometry, self.geometry.positions());
        let outputs = g.groups * g.outputs;
        let start = match self.begin.write(outputs, self.plane, positions, self.y) {
            true => Start::Present,
            false => Start::Zero,
        };
        let mut packed = Packed::default();
        for first in (0..positions).step_by(g.columns()) {
            let count = g.columns().min(positions - first);
            packed.fill_by(g.depth(), count, |k, columns, out| {
                g.see(self.x, k, first + columns.start..first + columns.end, out);
            });
            let (right, y) = (Right::Packed(&packed), &mut self.y[first..]);
            multiply(simd, self.weight, right, y, positions, start, None);
        }
    }
}
