//! The forward pass, with derivatives along several directions.

use pulp::{Simd, WithSimd};

use super::forward::{join, pack};
use super::layer::{Layer, Part, time};
use crate::dots::multiply_transposed;
use crate::matmul::{Nothing, Right, Start, multiply};
use crate::matrix::{Matrix, Packed};
use crate::{Float, Threads, dispatch, zeros};

/// Rows of values and derivatives that go through all layers together, about.
const BLOCK: usize = 192;

/// The last layer's values, `(rows, outputs)`, and their derivatives along each direction. A direction has a tangent for
/// each part, or `None` for 0.
pub(super) fn layers_along<T: Float>(
    threads: &dyn Threads,
    rows: usize,
    parts: &[Part<'_, T>],
    directions: &[Vec<Option<Part<'_, T>>>],
    layers: &[Layer<'_, T>],
) -> (Vec<T>, Vec<Vec<T>>) {
    let outputs = layers.last().map_or(0, Layer::outputs);
    let mut out = zeros(threads, rows * outputs);
    let mut along: Vec<Vec<T>> = directions
        .iter()
        .map(|_| zeros(threads, rows * outputs))
        .collect();
    let packed = pack(threads, rows, layers);
    let time = time(rows, layers) * (1 + directions.len());
    let piece = threads.piece(rows, 8, time);
    let size = piece * outputs.max(1);
    let mut pieces: Vec<_> = along
        .iter_mut()
        .map(|along| along.chunks_mut(size))
        .collect();
    let tasks = (out.chunks_mut(size).enumerate())
        .map(|(i, out)| Tangents {
            parts,
            directions,
            layers,
            packed: &packed,
            first: i * piece,
            out,
            along: pieces.iter_mut().filter_map(Iterator::next).collect(),
        })
        .collect();
    threads.each(tasks, time, |task: Tangents<'_, T>| dispatch(task));
    (out, along)
}

struct Tangents<'a, T: Float> {
    parts: &'a [Part<'a, T>],
    directions: &'a [Vec<Option<Part<'a, T>>>],
    layers: &'a [Layer<'a, T>],
    packed: &'a [Packed<T>],
    /// The first row.
    first: usize,
    out: &'a mut [T],
    along: Vec<&'a mut [T]>,
}

impl<T: Float> WithSimd for Tangents<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let outputs = self.layers.last().map_or(0, Layer::outputs);
        if outputs == 0 {
            return;
        }
        let rows = self.out.len() / outputs;
        let inputs: usize = self.parts.iter().map(|part| part.width).sum();
        let widest = (self.layers.iter())
            .map(Layer::outputs)
            .fold(inputs, usize::max);
        let count = self.directions.len();
        let block = (BLOCK / (1 + count)).clamp(4, rows.max(4));
        // Values, then the derivatives along each direction.
        let scratch = (1 + count) * block * widest;
        let (mut x, mut y) = (vec![T::ZERO; scratch], vec![T::ZERO; scratch]);
        let mut slopes = vec![T::ZERO; block * widest];
        for start in (0..rows).step_by(block) {
            let height = block.min(rows - start);
            let size = height * inputs;
            join(
                self.parts,
                self.first + start,
                height,
                inputs,
                &mut x[..size],
            );
            for (direction, dx) in self
                .directions
                .iter()
                .zip(x[size..].chunks_exact_mut(size.max(1)))
            {
                join_tangents(
                    direction,
                    self.parts,
                    self.first + start,
                    height,
                    inputs,
                    dx,
                );
            }
            for (l, layer) in self.layers.iter().enumerate() {
                let all = (1 + count) * height;
                let size = height * layer.outputs();
                let (values, along) = y[..all * layer.outputs()].split_at_mut(size);
                let (x_values, x_along) =
                    x[..all * layer.inputs()].split_at(height * layer.inputs());
                for (x, y, rows, bias) in [
                    (x_values, &mut *values, height, layer.bias),
                    (x_along, &mut *along, count * height, None),
                ] {
                    let x = Matrix::new(x, rows, layer.inputs());
                    match &self.packed[l] {
                        packed if packed.columns() > 0 => {
                            let from = bias.map_or(Start::Zero, Start::Row);
                            let right = Right::Packed(packed);
                            multiply(simd, x, right, y, layer.outputs(), from, None);
                        }
                        _ => multiply_transposed(simd, x, layer.weight, bias, y, &mut Nothing),
                    }
                }
                let activation = layer.activation;
                if activation.slope_follows_from_value() {
                    activation.values(simd, values);
                    for along in along.chunks_exact_mut(size.max(1)) {
                        activation.scale_by_slope_at_value(simd, along, values);
                    }
                } else {
                    let slopes = &mut slopes[..size];
                    activation.values_and_slopes(simd, values, slopes);
                    for along in along.chunks_exact_mut(size.max(1)) {
                        for (dy, slope) in along.iter_mut().zip(&*slopes) {
                            *dy *= *slope;
                        }
                    }
                }
                std::mem::swap(&mut x, &mut y);
            }
            let size = height * outputs;
            let target = start * outputs..start * outputs + size;
            self.out[target.clone()].copy_from_slice(&x[..size]);
            for (along, dx) in self.along.iter_mut().zip(x[size..].chunks_exact(size)) {
                along[target.clone()].copy_from_slice(dx);
            }
        }
    }
}

/// Writes the tangents' columns side by side, zeros for those that are missing.
#[inline(always)]
fn join_tangents<T: Float>(
    direction: &[Option<Part<'_, T>>],
    parts: &[Part<'_, T>],
    first: usize,
    rows: usize,
    width: usize,
    out: &mut [T],
) {
    let mut column = 0;
    for (tangent, part) in direction.iter().zip(parts) {
        for i in 0..rows {
            let target = &mut out[i * width + column..][..part.width];
            match tangent {
                None => target.fill(T::ZERO),
                Some(tangent) => {
                    let row = if tangent.shared { 0 } else { first + i };
                    target.copy_from_slice(&tangent.values[row * part.width..][..part.width]);
                }
            }
        }
        column += part.width;
    }
}
