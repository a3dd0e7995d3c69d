//! From images to images.

use advect_core::parallel;
use pulp::{Arch, Simd, WithSimd};

use super::Geometry;
use crate::cpu::Float;
use crate::cpu::matmul::{Nothing, Right, Start, multiply};
use crate::cpu::matrix::{Matrix, Packed};

/// The value for images x, `(batch, channels, height, width)`, weights `(outputs, inputs of a group, ...)` and a bias.
pub(crate) fn forward<T: Float>(g: &Geometry, x: &[T], weight: &[T], bias: Option<&[T]>) -> Vec<T> {
    let (positions, depth) = (g.positions(), g.depth());
    let mut y = vec![T::ZERO; g.batch * g.groups * g.outputs * positions];
    if y.is_empty() {
        return y;
    }
    let time = g.time::<T>();
    // Few images are divided by their channels, too; each part packs for itself.
    let images = g.batch * g.groups;
    let parts = match parallel::worthwhile(time) {
        true => (2 * parallel::threads()).div_ceil(images),
        false => 1,
    };
    let rows = g.outputs.div_ceil(parts).next_multiple_of(8).min(g.outputs);
    let mut tasks = Vec::new();
    for (image, y) in y.chunks_exact_mut(g.outputs * positions).enumerate() {
        let group = image % g.groups;
        for (part, y) in y.chunks_mut(rows * positions).enumerate() {
            let first = group * g.outputs + part * rows;
            let count = y.len() / positions;
            tasks.push(Forward {
                geometry: g,
                x: &x[image * g.inputs * g.area()..][..g.inputs * g.area()],
                weight: Matrix::new(&weight[first * depth..], count, depth),
                bias: bias.map(|bias| &bias[first..first + count]),
                y,
            });
        }
    }
    parallel::each(tasks, time, |task: Forward<'_, T>| {
        Arch::new().dispatch(task)
    });
    y
}

/// Some channels of an image.
struct Forward<'a, T> {
    geometry: &'a Geometry,
    x: &'a [T],
    weight: Matrix<'a, T>,
    bias: Option<&'a [T]>,
    y: &'a mut [T],
}

impl<T: Float> WithSimd for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (g, positions) = (self.geometry, self.geometry.positions());
        let start = match self.bias {
            None => Start::Zero,
            Some(bias) => {
                for (y, bias) in self.y.chunks_exact_mut(positions).zip(bias) {
                    y.fill(*bias);
                }
                Start::Present
            }
        };
        let mut packed = Packed::default();
        for first in (0..positions).step_by(g.columns()) {
            let count = g.columns().min(positions - first);
            packed.fill_by(g.depth(), count, |k, columns, out| {
                g.see(self.x, k, first + columns.start..first + columns.end, out);
            });
            let (right, y) = (Right::Packed(&packed), &mut self.y[first..]);
            multiply(simd, self.weight, right, y, positions, start, &mut Nothing);
        }
    }
}
