//! The backward pass, from the gradient of the last layer's values to the gradients of input, weights and biases.

use pulp::{Simd, WithSimd};

use super::layer::{Layer, Rows, Saved, time};
use super::weight_gradients::WeightGradients;
use crate::activation::Function;
use crate::matmul::{Finish, Right, Start, multiply};
use crate::matrix::{Matrix, Packed};
use crate::{Buffer, Float, FrontToBack, Threads, Unwritten, dispatch, extend};

/// The gradients of layers.
pub struct Gradients<T> {
    /// The gradient of the first layer's input, `(rows, inputs)`, if wanted.
    pub input: Vec<T>,
    /// The gradients of the weights, as these lie in memory, if wanted.
    pub weights: Vec<Vec<T>>,
    /// The gradients of the biases.
    pub biases: Vec<Vec<T>>,
}

/// Gradients that are computed besides those of biases, which cost little.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Whether the input's is.
    pub input: bool,
    /// Whether those of the weights are.
    pub weights: bool,
}

/// Rows whose contributions to the gradients of biases are summed together.
const SUMMED: usize = 128;
/// Rows whose gradients at all layers are in the cache together.
const SLAB: usize = 8 * SUMMED;

/// The gradients, given that of the value.
#[allow(clippy::too_many_arguments)]
pub(super) fn layers_backward<T: Float>(
    threads: &dyn Threads,
    rows: usize,
    input: &[T],
    layers: &[Layer<'_, T>],
    value: &[T],
    saved: &Saved<T>,
    gradient: &[T],
    wanted: Wanted,
) -> Gradients<T> {
    let input = match saved.input.is_empty() {
        true => input,
        false => &saved.input,
    };
    let inputs = layers.first().map_or(0, Layer::inputs);
    let input_size = if wanted.input { rows * inputs } else { 0 };
    let width: usize = layers.iter().map(Layer::outputs).sum();
    if rows * width == 0 {
        let zeros_of = |count: usize| vec![T::ZERO; count];
        let weights = layers.iter().map(|l| zeros_of(l.outputs() * l.inputs()));
        return Gradients {
            input: zeros_of(input_size),
            weights: weights.filter(|_| wanted.weights).collect(),
            biases: layers.iter().map(|l| zeros_of(l.outputs())).collect(),
        };
    }
    let mut input_gradient = Vec::with_capacity(input_size);
    let needed = layers.iter().enumerate();
    let needed = needed.map(|(l, layer)| (l > 0 || wanted.input).then_some(layer.weight));
    let packed = Packed::all(threads, needed);
    let height = SLAB.min(rows);
    // Without a last activation the gradient is that of the last layer's sums, and is read where it is.
    let plain = is_plain(layers);
    let mut deltas: Vec<Buffer<T>> = (layers.iter().enumerate())
        .map(|(l, layer)| match plain && l + 1 == layers.len() {
            true => Buffer::default(),
            false => Buffer::new(height * layer.outputs()),
        })
        .collect();
    let mut sums = vec![T::ZERO; width];
    let time_of_slab = time(height, layers);
    let mut weights = (wanted.weights).then(|| WeightGradients::new(threads, layers, time_of_slab));
    for first in (0..rows).step_by(SLAB) {
        let height = SLAB.min(rows - first);
        let time = time(height, layers);
        let mut partial = vec![T::ZERO; height.div_ceil(SUMMED) * width];
        let mut delta_rows = Rows::all(&mut deltas, layers, SUMMED);
        let tasks = partial.chunks_mut(width).enumerate();
        let tasks = tasks.map(|(i, sums)| Backward {
            layers,
            packed: &packed,
            value,
            saved,
            gradient,
            first: first + i * SUMMED,
            rows: SUMMED.min(height - i * SUMMED),
            deltas: delta_rows.iter_mut().map(Rows::next).collect(),
            sums,
        });
        if input_size > 0 {
            let (all, len, piece) = (&mut input_gradient, height * inputs, SUMMED * inputs);
            extend(all, threads, len, piece, tasks, time, |_, input, task| {
                dispatch(ToInput { task, input })
            });
        } else {
            threads.each(tasks.collect(), time, |task: Backward<'_, T>| {
                let input = Unwritten::over(&mut []);
                dispatch(ToInput { task, input });
            });
        }
        for partial in partial.chunks_exact(width) {
            for (sum, x) in sums.iter_mut().zip(partial) {
                *sum += *x;
            }
        }
        let mut slab: Vec<&[T]> = deltas.iter().map(|delta| &**delta).collect();
        if let (true, Some(last), Some(layer)) = (plain, slab.last_mut(), layers.last()) {
            *last = &gradient[first * layer.outputs()..];
        }
        if let Some(weights) = &mut weights {
            weights.add(threads, first, height, input, layers, saved, &slab, time);
        }
    }
    let mut biases = Vec::with_capacity(layers.len());
    for layer in layers {
        let rest = sums.split_off(layer.outputs());
        biases.push(std::mem::replace(&mut sums, rest));
    }
    Gradients {
        input: input_gradient,
        weights: weights.map_or_else(Vec::new, |weights| weights.assemble(threads)),
        biases,
    }
}

/// The gradients of the weight and the bias of one layer without an activation, given its input and the gradient of its value.
pub(crate) fn layer_gradients<T: Float>(
    threads: &dyn Threads,
    input: &[T],
    layer: Layer<'_, T>,
    gradient: &[T],
) -> (Vec<T>, Vec<T>) {
    assert!(layer.activation == Function::Identity, "no activation");
    let rows = gradient.len() / layer.outputs().max(1);
    let saved = Saved {
        input: Buffer::default(),
        values: Vec::new(),
        slopes: vec![Buffer::default()],
    };
    // (The value is not looked at, as there is no activation.)
    let mut all = layers_backward(
        threads,
        rows,
        input,
        &[layer],
        gradient,
        &saved,
        gradient,
        Wanted {
            input: false,
            weights: true,
        },
    );
    (all.weights.swap_remove(0), all.biases.swap_remove(0))
}

/// Whether nothing is applied to the last layer's sums.
fn is_plain<T>(layers: &[Layer<'_, T>]) -> bool {
    let last = layers.last().map(|layer| layer.activation);
    last == Some(Function::Identity)
}

struct Backward<'a, T: Float> {
    layers: &'a [Layer<'a, T>],
    packed: &'a [Packed<T>],
    value: &'a [T],
    saved: &'a Saved<T>,
    gradient: &'a [T],
    first: usize,
    rows: usize,
    deltas: Vec<&'a mut [T]>,
    sums: &'a mut [T],
}

/// The gradients of some rows at all layers, down to the input's, or to nothing if that is not wanted.
struct ToInput<'a, 'b, T: Float> {
    task: Backward<'a, T>,
    input: Unwritten<'b, T>,
}

impl<'b, T: Float> WithSimd for ToInput<'_, 'b, T> {
    type Output = &'b mut [T];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> &'b mut [T] {
        let mut task = self.task;
        let mut sums = task.sums;
        let wanted = self.input.len();
        let mut input = FrontToBack::new(self.input);
        for l in (0..task.layers.len()).rev() {
            let layer = &task.layers[l];
            let width = layer.outputs();
            let range = task.first * width..(task.first + task.rows) * width;
            let (earlier, rest) = task.deltas.split_at_mut(l);
            let last = l + 1 == task.layers.len();
            let delta: &[T] = if last && is_plain(task.layers) {
                &task.gradient[range]
            } else {
                let delta = &mut rest[0][..task.rows * width];
                if last {
                    let gradient = &task.gradient[range.clone()];
                    match task.saved.slopes[l].get(range.clone()) {
                        Some(slopes) if !slopes.is_empty() => {
                            for ((d, g), s) in delta.iter_mut().zip(gradient).zip(slopes) {
                                *d = *g * *s;
                            }
                        }
                        _ => {
                            delta.copy_from_slice(gradient);
                            let values = &task.value[range];
                            (layer.activation).scale_by_slope_at_value(simd, delta, values);
                        }
                    }
                }
                delta
            };
            let (others, mine) = sums.split_at_mut(sums.len() - width);
            sums = others;
            if width > 0 {
                for row in delta.chunks_exact(width) {
                    for (sum, x) in mine.iter_mut().zip(row) {
                        *sum += *x;
                    }
                }
            }
            let delta = Matrix::new(delta, task.rows, width);
            let inputs = layer.inputs();
            let right = Right::Packed(&task.packed[l]);
            if l > 0 {
                let first = task.first * inputs;
                let finish = &mut ScaleBySlope {
                    activation: task.layers[l - 1].activation,
                    values: &task.saved.values[l - 1][first..],
                    slopes: task.saved.slopes[l - 1].get(first..).unwrap_or(&[]),
                    width: inputs,
                };
                multiply(
                    simd,
                    delta,
                    right,
                    earlier[l - 1],
                    inputs,
                    Start::Zero,
                    Some(finish),
                );
            } else if wanted > 0 {
                let input = input.zeros(wanted);
                multiply(simd, delta, right, input, inputs, Start::Zero, None);
            }
        }
        input.finish()
    }
}

/// Multiplies by the activation's slope: a saved one, or that which follows from the value.
struct ScaleBySlope<'a, T> {
    activation: Function,
    values: &'a [T],
    slopes: &'a [T],
    width: usize,
}

impl<T: Float> Finish<T> for ScaleBySlope<'_, T> {
    #[inline(always)]
    fn rows<S: Simd>(&mut self, simd: S, first: usize, delta: &mut [T]) {
        let first = first * self.width;
        if self.activation.slope_follows_from_value() {
            let values = &self.values[first..][..delta.len()];
            self.activation.scale_by_slope_at_value(simd, delta, values);
        } else {
            for (d, s) in delta.iter_mut().zip(&self.slopes[first..]) {
                *d *= *s;
            }
        }
    }
}
