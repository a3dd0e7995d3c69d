//! The gradients of images, weights and biases.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::geometry::Geometry;
use super::winograd;
use crate::matmul::{Right, Start, multiply};
use crate::matrix::{Matrix, Packed};
use crate::{Buffer, Float, Threads, dispatch, sums, zeros};

/// The gradient of the images, given that of the value.
pub(super) fn input_gradient<T: Float>(
    threads: &dyn Threads,
    g: &Geometry,
    weight: &[T],
    gradient: &[T],
) -> Vec<T> {
    let mut dx = zeros(threads, g.batch * g.groups * g.inputs * g.area());
    if winograd::fits(g) {
        // What has overflowed is made again.
        let size = g.inputs * g.area();
        for image in winograd::input_gradient(threads, g, weight, gradient, &mut dx) {
            dx[image * size..][..size].fill(T::ZERO);
            direct_input_gradient(threads, g, weight, gradient, image..image + 1, &mut dx);
        }
    } else {
        direct_input_gradient(threads, g, weight, gradient, 0..g.batch, &mut dx);
    }
    dx
}

/// Adds the gradient of some images by the sums that define it.
fn direct_input_gradient<T: Float>(
    threads: &dyn Threads,
    g: &Geometry,
    weight: &[T],
    gradient: &[T],
    images: Range<usize>,
    dx: &mut [T],
) {
    let (positions, depth) = (g.positions(), g.depth());
    if dx.is_empty() || positions == 0 {
        return;
    }
    let g = &Geometry {
        batch: images.len(),
        ..*g
    };
    let time = g.time::<T>();
    let parts = match threads.worthwhile(time) {
        true => (2 * threads.count()).div_ceil(g.batch * g.groups),
        false => 1,
    };
    let channels = g.inputs.div_ceil(parts);
    let kernel = g.kernel[0] * g.kernel[1];
    let mut tasks = Vec::new();
    let places = (dx.chunks_exact_mut(g.inputs * g.area()).enumerate())
        .take(images.end * g.groups)
        .skip(images.start * g.groups);
    for (image, dx) in places {
        let group = image % g.groups;
        let weight = Matrix::new(&weight[group * g.outputs * depth..], g.outputs, depth);
        for (part, dx) in dx.chunks_mut(channels * g.area()).enumerate() {
            let first = part * channels * kernel;
            let count = dx.len() / g.area() * kernel;
            tasks.push(Back {
                geometry: g,
                weight: weight.columns(first, first + count).transposed(),
                gradient: &gradient[image * g.outputs * positions..],
                dx,
            });
        }
    }
    threads.each(tasks, time, |task: Back<'_, T>| dispatch(task));
}

/// Some channels of an image's gradient.
struct Back<'a, T> {
    geometry: &'a Geometry,
    /// The weights of these channels, (what is seen, outputs).
    weight: Matrix<'a, T>,
    gradient: &'a [T],
    dx: &'a mut [T],
}

impl<T: Float> WithSimd for Back<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (g, positions) = (self.geometry, self.geometry.positions());
        let gradient = Matrix::new(self.gradient, g.outputs, positions);
        let (mut packed, mut sent) = (Packed::default(), Buffer::default());
        for first in (0..positions).step_by(g.columns()) {
            let count = g.columns().min(positions - first);
            packed.fill(gradient.columns(first, first + count));
            let (weight, right) = (self.weight, Right::Packed(&packed));
            let start = Start::Zero;
            if g.is_pointwise() {
                let dx = &mut self.dx[first..];
                multiply(simd, weight, right, dx, positions, start, None);
                continue;
            }
            sent.resize(weight.rows * count);
            multiply(simd, weight, right, &mut sent, count, start, None);
            for (k, sent) in sent.chunks_exact(count).enumerate() {
                g.send(self.dx, k, first..first + count, sent);
            }
        }
    }
}

/// The gradient of the weights, given that of the value.
pub(super) fn weight_gradient<T: Float>(
    threads: &dyn Threads,
    g: &Geometry,
    x: &[T],
    gradient: &[T],
) -> Vec<T> {
    if winograd::fits(g) {
        let weights = winograd::weight_gradient(threads, g, x, gradient);
        // What has overflowed is made again.
        if weights.iter().all(|w| w.finite()) {
            return weights;
        }
    }
    let depth = g.depth();
    // Sums over images are cut into parts whatever the number of threads; rows only where there are too few parts.
    let images = g.batch.div_ceil(PARTS).max(1);
    let parts = g.batch.div_ceil(images).max(1);
    let time = g.time::<T>();
    let rows = match threads.worthwhile(time) {
        true => depth.div_ceil(threads.count().div_ceil(g.groups * parts)),
        false => depth,
    };
    // Transposed: (parts, groups, what is seen, outputs).
    let size = depth * g.outputs;
    let mut across = Buffer::zeros(parts * g.groups * size);
    let mut tasks = Vec::new();
    for (part, across) in across.chunks_exact_mut(g.groups * size).enumerate() {
        for (group, across) in across.chunks_exact_mut(size).enumerate() {
            for (k, across) in across.chunks_mut(rows * g.outputs).enumerate() {
                tasks.push(Weights {
                    geometry: g,
                    images: part * images..g.batch.min((part + 1) * images),
                    group,
                    first: k * rows,
                    x,
                    gradient,
                    across,
                });
            }
        }
    }
    threads.each(tasks, time, |task: Weights<'_, T>| dispatch(task));
    let (sums, rest) = across.split_at_mut(g.groups * size);
    for part in rest.chunks_exact(g.groups * size) {
        for (sum, x) in sums.iter_mut().zip(part) {
            *sum += *x;
        }
    }
    let mut out = vec![T::ZERO; g.groups * size];
    for (out, across) in out.chunks_exact_mut(size).zip(sums.chunks_exact(size)) {
        Matrix::new(across, depth, g.outputs)
            .transposed()
            .copy_to(out);
    }
    out
}

/// Parts into which sums over images are cut.
const PARTS: usize = 4;

/// Some weights of all outputs of a group, for some images.
struct Weights<'a, T> {
    geometry: &'a Geometry,
    images: Range<usize>,
    group: usize,
    /// The first weight.
    first: usize,
    x: &'a [T],
    gradient: &'a [T],
    across: &'a mut [T],
}

impl<T: Float> WithSimd for Weights<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (g, positions) = (self.geometry, self.geometry.positions());
        let count = self.across.len() / g.outputs;
        let (mut seen, mut packed) = (Buffer::default(), Packed::default());
        for image in self.images {
            let place = image * g.groups + self.group;
            let x = &self.x[place * g.inputs * g.area()..][..g.inputs * g.area()];
            let gradient = &self.gradient[place * g.outputs * positions..];
            let gradient = Matrix::new(gradient, g.outputs, positions);
            for start in (0..positions).step_by(g.columns()) {
                let width = g.columns().min(positions - start);
                let seen = if g.is_pointwise() {
                    let x = Matrix::new(x, g.inputs, positions);
                    let x = x.rows(self.first, self.first + count);
                    x.columns(start, start + width)
                } else {
                    seen.resize(count * width);
                    for (k, seen) in seen.chunks_exact_mut(width).enumerate() {
                        g.see(x, self.first + k, start..start + width, seen);
                    }
                    Matrix::new(&seen, count, width)
                };
                packed.fill(gradient.columns(start, start + width).transposed());
                multiply(
                    simd,
                    seen,
                    Right::Packed(&packed),
                    self.across,
                    g.outputs,
                    Start::Present,
                    None,
                );
            }
        }
    }
}

/// The sums over all positions of each image and channel, (batch, outputs).
pub(super) fn channel_sums<T: Float>(
    threads: &dyn Threads,
    g: &Geometry,
    gradient: &[T],
) -> Vec<T> {
    let mut out = vec![T::ZERO; g.batch * g.groups * g.outputs];
    let planes: Vec<&[T]> = gradient.chunks_exact(g.positions().max(1)).collect();
    let tasks = out.chunks_mut(PLANES).zip(planes.chunks(PLANES)).collect();
    threads.each(
        tasks,
        gradient.len() / 4,
        |(out, planes): (&mut [T], &[&[T]])| {
            for (out, plane) in out.iter_mut().zip(planes) {
                *out = sums::sum(plane, T::ZERO, |y| y);
            }
        },
    );
    out
}

/// Planes summed in a go.
const PLANES: usize = 64;
