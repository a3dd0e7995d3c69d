//! Fully connected layers, one after another, for a block of rows at a time, so that hidden values stay in the cache.

use advect_core::parallel;
use pulp::{Arch, Simd, WithSimd};

use super::matmul::{
    Finish, Matrix, Nothing, PANEL, Packed, Right, Start, multiply, multiply_transposed,
};
use super::{Buffer, Float};
use crate::activation::Activation;

/// `y = activation(x Wᵀ + b)`.
pub(crate) struct Layer<'a, T> {
    /// (outputs, inputs).
    pub(crate) weight: Matrix<'a, T>,
    pub(crate) bias: Option<&'a [T]>,
    pub(crate) activation: Activation,
}

impl<T> Layer<'_, T> {
    pub(crate) fn inputs(&self) -> usize {
        self.weight.columns
    }

    pub(crate) fn outputs(&self) -> usize {
        self.weight.rows
    }
}

/// Columns of the first layer's input: a row for each sample, or one for all.
pub(crate) struct Part<'a, T> {
    pub(crate) values: &'a [T],
    pub(crate) width: usize,
    pub(crate) shared: bool,
}

/// What the backward pass needs.
pub(crate) struct Saved<T: Float> {
    /// The first layer's input, if it had several parts.
    input: Buffer<T>,
    /// The values of all layers but the last.
    values: Vec<Buffer<T>>,
    /// The activations' slopes, where they don't follow from the values.
    slopes: Vec<Buffer<T>>,
}

/// Rows that go through all layers together, at most.
const BLOCK: usize = 32;
/// Up to so many rows, packing the weights costs more than it saves.
const FEW: usize = 6;

/// Nanoseconds for a product of this many multiply–adds on one thread.
fn product_time<T>(multiply_adds: usize) -> usize {
    multiply_adds * size_of::<T>() / 200
}

fn time<T>(rows: usize, layers: &[Layer<'_, T>]) -> usize {
    let each = |l: &Layer<'_, T>| product_time::<T>(l.inputs() * l.outputs()) + l.outputs() / 2;
    rows * layers.iter().map(each).sum::<usize>()
}

/// The last layer's values, `(rows, outputs)`, and what was saved if `save`.
pub(crate) fn forward<T: Float>(
    rows: usize,
    parts: &[Part<'_, T>],
    layers: &[Layer<'_, T>],
    save: bool,
) -> (Vec<T>, Saved<T>) {
    let inputs: usize = parts.iter().map(|part| part.width).sum();
    let outputs = layers.last().map_or(inputs, Layer::outputs);
    let mut out = vec![T::ZERO; rows * outputs];
    let joined = save && parts.len() > 1;
    let saving = if save { layers } else { &[] };
    let buffer = |wanted: bool, width: usize| Buffer::new(if wanted { rows * width } else { 0 });
    let hidden = |(i, layer): (usize, &Layer<'_, T>)| buffer(i + 1 < layers.len(), layer.outputs());
    let slopes = |layer: &Layer<'_, T>| {
        let needed = !layer.activation.slope_follows_from_value();
        buffer(needed, layer.outputs())
    };
    let mut saved = Saved {
        input: buffer(joined, inputs),
        values: saving.iter().enumerate().map(hidden).collect(),
        slopes: saving.iter().map(slopes).collect(),
    };
    let packed: Vec<Packed<T>> = match rows {
        ..=FEW => Vec::new(),
        _ => layers.iter().map(|l| pack(l)).collect(),
    };
    let time = time(rows, layers);
    let piece = parallel::piece(rows, 8, time);
    let mut input = Rows::new(&mut saved.input, inputs, piece);
    let mut values = Rows::all(&mut saved.values, layers, piece);
    let mut slopes = Rows::all(&mut saved.slopes, layers, piece);
    let tasks = (out.chunks_mut(piece * outputs.max(1)).enumerate())
        .map(|(i, out)| Forward {
            parts,
            layers,
            packed: &packed,
            first: i * piece,
            out,
            input: input.next(),
            values: values.iter_mut().map(Rows::next).collect(),
            slopes: slopes.iter_mut().map(Rows::next).collect(),
        })
        .collect();
    parallel::each(tasks, time, |task: Forward<'_, T>| {
        Arch::new().dispatch(task)
    });
    (out, saved)
}

/// The packed weight, if the layer's product profits from it.
fn pack<T: Float>(layer: &Layer<'_, T>) -> Packed<T> {
    match thin(layer) {
        true => Packed::default(),
        false => Packed::new(layer.weight.transposed()),
    }
}

/// Whether a layer has so few outputs that they are best made one by one.
fn thin<T>(layer: &Layer<'_, T>) -> bool {
    layer.outputs() <= 4 && layer.inputs() >= 16
}

/// A buffer handed out in pieces of some rows; nothing, if it was not allocated.
struct Rows<'a, T> {
    rest: &'a mut [T],
    piece: usize,
}

impl<'a, T: Float> Rows<'a, T> {
    fn new(values: &'a mut [T], width: usize, rows: usize) -> Self {
        Rows {
            rest: values,
            piece: rows * width,
        }
    }

    fn all(buffers: &'a mut [Buffer<T>], layers: &[Layer<'_, T>], rows: usize) -> Vec<Self> {
        (buffers.iter_mut().zip(layers))
            .map(|(buffer, layer)| Rows::new(buffer, layer.outputs(), rows))
            .collect()
    }

    fn next(&mut self) -> &'a mut [T] {
        let rest = std::mem::take(&mut self.rest);
        let (piece, rest) = rest.split_at_mut(self.piece.min(rest.len()));
        self.rest = rest;
        piece
    }
}

struct Forward<'a, T> {
    parts: &'a [Part<'a, T>],
    layers: &'a [Layer<'a, T>],
    packed: &'a [Packed<T>],
    /// The first row.
    first: usize,
    out: &'a mut [T],
    input: &'a mut [T],
    values: Vec<&'a mut [T]>,
    slopes: Vec<&'a mut [T]>,
}

impl<T: Float> WithSimd for Forward<'_, T> {
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
        let scratch = BLOCK.min(rows) * widest;
        let (mut x, mut y) = (vec![T::ZERO; scratch], vec![T::ZERO; scratch]);
        for start in (0..rows).step_by(BLOCK) {
            let count = BLOCK.min(rows - start);
            join(self.parts, self.first + start, count, inputs, &mut x);
            if !self.input.is_empty() {
                self.input[start * inputs..][..count * inputs]
                    .copy_from_slice(&x[..count * inputs]);
            }
            for (l, layer) in self.layers.iter().enumerate() {
                let width = layer.outputs();
                let target = start * width..(start + count) * width;
                let kept = l.min(self.values.len());
                let (below, here) = self.values.split_at_mut(kept);
                // Where values are saved, they are written there at once and read from there.
                let x_rows = match below.last() {
                    Some(saved) if !saved.is_empty() => &saved[start * layer.inputs()..],
                    _ => &x[..],
                };
                let out = match here {
                    _ if l + 1 == self.layers.len() => &mut self.out[target.clone()],
                    [saved, ..] => &mut saved[target.clone()],
                    [] => &mut y[..count * width],
                };
                let slopes = match self.slopes.get_mut(l) {
                    Some(slopes) if !slopes.is_empty() => &mut slopes[target],
                    _ => &mut [],
                };
                let finish = &mut Activate { layer, slopes };
                let x_rows = Matrix::new(x_rows, count, layer.inputs());
                match self.packed.get(l) {
                    Some(packed) if !thin(layer) => {
                        let from = layer.bias.map_or(Start::Zero, Start::Row);
                        multiply(
                            simd,
                            x_rows,
                            Right::Packed(packed),
                            out,
                            width,
                            from,
                            finish,
                        );
                    }
                    _ => multiply_transposed(simd, x_rows, layer.weight, layer.bias, out, finish),
                }
                std::mem::swap(&mut x, &mut y);
            }
        }
    }
}

/// Applies the activation, and keeps its slopes if there is room for them.
struct Activate<'a, T> {
    layer: &'a Layer<'a, T>,
    slopes: &'a mut [T],
}

impl<T: Float> Finish<T> for Activate<'_, T> {
    #[inline(always)]
    fn rows<S: Simd>(&mut self, simd: S, first: usize, y: &mut [T]) {
        let width = self.layer.outputs();
        let activation = self.layer.activation;
        if !self.slopes.is_empty() {
            let slopes = &mut self.slopes[first * width..][..y.len()];
            slopes.copy_from_slice(y);
            activation.slopes(simd, slopes);
        }
        activation.values(simd, y);
    }
}

/// Writes the parts' columns side by side.
#[inline(always)]
fn join<T: Float>(parts: &[Part<'_, T>], first: usize, rows: usize, width: usize, out: &mut [T]) {
    if let [part] = parts
        && !part.shared
    {
        out[..rows * width].copy_from_slice(&part.values[first * width..][..rows * width]);
        return;
    }
    let mut column = 0;
    for part in parts {
        for i in 0..rows {
            let source = if part.shared {
                0
            } else {
                (first + i) * part.width
            };
            out[i * width + column..][..part.width]
                .copy_from_slice(&part.values[source..][..part.width]);
        }
        column += part.width;
    }
}

/// The gradients of layers.
pub(crate) struct Gradients<T> {
    /// That of the first layer's input, `(rows, inputs)`, if wanted.
    pub(crate) input: Vec<T>,
    /// Those of the weights.
    pub(crate) weights: Vec<Vec<T>>,
    /// Those of the biases.
    pub(crate) biases: Vec<Vec<T>>,
}

/// Rows whose contributions to the gradients of biases are summed together.
const SUMMED: usize = 128;
/// Rows whose gradients at all layers are in the cache together.
const SLAB: usize = 8 * SUMMED;

/// The gradients, given that of the value.
pub(crate) fn backward<T: Float>(
    rows: usize,
    input: &[T],
    layers: &[Layer<'_, T>],
    value: &[T],
    saved: &Saved<T>,
    gradient: &[T],
    input_wanted: bool,
) -> Gradients<T> {
    let input = match saved.input.is_empty() {
        true => input,
        false => &saved.input,
    };
    let inputs = layers.first().map_or(0, Layer::inputs);
    let mut input_gradient = vec![T::ZERO; if input_wanted { rows * inputs } else { 0 }];
    let packed: Vec<Packed<T>> = (layers.iter().enumerate())
        .map(|(l, layer)| match l > 0 || input_wanted {
            true => Packed::new(layer.weight),
            false => Packed::default(),
        })
        .collect();
    let width: usize = layers.iter().map(Layer::outputs).sum();
    let height = SLAB.min(rows);
    let mut deltas: Vec<Buffer<T>> = (layers.iter())
        .map(|layer| Buffer::new(height * layer.outputs()))
        .collect();
    let mut sums = vec![T::ZERO; width];
    let mut weights = WeightGradients::new(layers, time(height, layers));
    let mut input_rows = Rows::new(&mut input_gradient, inputs, SUMMED);
    for first in (0..rows).step_by(SLAB) {
        let height = SLAB.min(rows - first);
        let time = time(height, layers);
        let mut partial = vec![T::ZERO; height.div_ceil(SUMMED) * width];
        let mut delta_rows = Rows::all(&mut deltas, layers, SUMMED);
        let tasks = (partial.chunks_mut(width.max(1)).enumerate())
            .map(|(i, sums)| {
                let rows = SUMMED.min(height - i * SUMMED);
                Backward {
                    layers,
                    packed: &packed,
                    value,
                    saved,
                    gradient,
                    first: first + i * SUMMED,
                    rows,
                    deltas: delta_rows.iter_mut().map(Rows::next).collect(),
                    input: input_rows.next(),
                    sums,
                }
            })
            .collect();
        parallel::each(tasks, time, |task: Backward<'_, T>| {
            Arch::new().dispatch(task)
        });
        for partial in partial.chunks_exact(width.max(1)) {
            for (sum, x) in sums.iter_mut().zip(partial) {
                *sum += *x;
            }
        }
        weights.add(first, height, input, layers, saved, &deltas, time);
    }
    let mut biases = Vec::with_capacity(layers.len());
    for layer in layers {
        let rest = sums.split_off(layer.outputs());
        biases.push(std::mem::replace(&mut sums, rest));
    }
    Gradients {
        input: input_gradient,
        weights: weights.assemble(layers),
        biases,
    }
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
    input: &'a mut [T],
    sums: &'a mut [T],
}

impl<T: Float> WithSimd for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let mut sums = self.sums;
        for l in (0..self.layers.len()).rev() {
            let layer = &self.layers[l];
            let width = layer.outputs();
            let range = self.first * width..(self.first + self.rows) * width;
            let (earlier, rest) = self.deltas.split_at_mut(l);
            let delta = &mut rest[0][..self.rows * width];
            let last = l + 1 == self.layers.len();
            if last {
                delta.copy_from_slice(&self.gradient[range.clone()]);
                let finish = &mut ScaleBySlope {
                    activation: layer.activation,
                    values: &self.value[range.start..],
                    slopes: self.saved.slopes[l].get(range.start..).unwrap_or(&[]),
                    width,
                };
                finish.rows(simd, 0, delta);
            }
            let (others, mine) = sums.split_at_mut(sums.len() - width);
            sums = others;
            if width > 0 {
                for row in delta.chunks_exact(width) {
                    for (sum, x) in mine.iter_mut().zip(row) {
                        *sum += *x;
                    }
                }
            }
            let delta = Matrix::new(delta, self.rows, width);
            let inputs = layer.inputs();
            let right = Right::rows::<S>(layer.weight).unwrap_or(Right::Packed(&self.packed[l]));
            if l > 0 {
                let first = self.first * inputs;
                let finish = &mut ScaleBySlope {
                    activation: self.layers[l - 1].activation,
                    values: &self.saved.values[l - 1][first..],
                    slopes: self.saved.slopes[l - 1].get(first..).unwrap_or(&[]),
                    width: inputs,
                };
                multiply(
                    simd,
                    delta,
                    right,
                    earlier[l - 1],
                    inputs,
                    Start::Zero,
                    finish,
                );
            } else if !self.input.is_empty() {
                let finish = &mut Nothing;
                multiply(simd, delta, right, self.input, inputs, Start::Zero, finish);
            }
        }
    }
}

/// Multiplies by the activation's slope: a saved one, or that which follows from the value.
struct ScaleBySlope<'a, T> {
    activation: Activation,
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

/// `deltaᵀ x` of each layer, `(outputs, inputs)`, in blocks of columns, each the work of one thread.
struct WeightGradients<T> {
    blocks: Vec<Vec<Vec<T>>>,
    /// Columns of a block.
    cuts: Vec<usize>,
}

impl<T: Float> WeightGradients<T> {
    fn new(layers: &[Layer<'_, T>], time: usize) -> Self {
        let threads = match parallel::worthwhile(time) {
            true => parallel::threads(),
            false => 1,
        };
        let cut = |l: &Layer<'_, T>| l.inputs().div_ceil(threads).next_multiple_of(PANEL);
        let cuts: Vec<usize> = layers.iter().map(cut).collect();
        let blocks = (layers.iter().zip(&cuts)).map(|(layer, &cut)| {
            let starts = (0..layer.inputs()).step_by(cut);
            let width = |start| cut.min(layer.inputs() - start);
            starts
                .map(|s| vec![T::ZERO; layer.outputs() * width(s)])
                .collect()
        });
        WeightGradients {
            blocks: blocks.collect(),
            cuts,
        }
    }

    /// Adds what some rows contribute.
    #[allow(clippy::too_many_arguments)]
    fn add(
        &mut self,
        first: usize,
        rows: usize,
        input: &[T],
        layers: &[Layer<'_, T>],
        saved: &Saved<T>,
        deltas: &[Buffer<T>],
        time: usize,
    ) {
        let mut tasks = Vec::new();
        for (l, (layer, blocks)) in layers.iter().zip(&mut self.blocks).enumerate() {
            let x = if l == 0 { input } else { &saved.values[l - 1] };
            let x = Matrix::new(&x[first * layer.inputs()..], rows, layer.inputs());
            let delta = Matrix::new(&deltas[l], rows, layer.outputs()).transposed();
            for (i, out) in blocks.iter_mut().enumerate() {
                let start = i * self.cuts[l];
                let x = x.columns(start, x.columns.min(start + self.cuts[l]));
                tasks.push(WeightGradient { delta, x, out });
            }
        }
        parallel::each(tasks, time, |task: WeightGradient<'_, T>| {
            Arch::new().dispatch(task)
        });
    }

    fn assemble(self, layers: &[Layer<'_, T>]) -> Vec<Vec<T>> {
        (self.blocks.into_iter().zip(layers).zip(self.cuts))
            .map(|((blocks, layer), cut)| assemble(blocks, layer.outputs(), layer.inputs(), cut))
            .collect()
    }
}

struct WeightGradient<'a, T> {
    delta: Matrix<'a, T>,
    x: Matrix<'a, T>,
    out: &'a mut [T],
}

/// Rows of x packed at a time.
const DEEP: usize = 512;

impl<T: Float> WithSimd for WeightGradient<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.x.columns;
        if let Some(right) = Right::rows::<S>(self.x) {
            multiply(
                simd,
                self.delta,
                right,
                self.out,
                width,
                Start::Present,
                &mut Nothing,
            );
            return;
        }
        let mut packed = Packed::default();
        for start in (0..self.x.rows).step_by(DEEP) {
            let end = self.x.rows.min(start + DEEP);
            packed.fill(self.x.rows(start, end));
            let delta = self.delta.columns(start, end);
            multiply(
                simd,
                delta,
                Right::Packed(&packed),
                self.out,
                width,
                Start::Present,
                &mut Nothing,
            );
        }
    }
}

/// Blocks of columns side by side.
fn assemble<T: Float>(mut blocks: Vec<Vec<T>>, rows: usize, columns: usize, cut: usize) -> Vec<T> {
    if blocks.len() == 1 {
        return blocks.swap_remove(0);
    }
    let mut out = vec![T::ZERO; rows * columns];
    for (b, block) in blocks.iter().enumerate() {
        let width = cut.min(columns - b * cut);
        let lines = out.chunks_exact_mut(columns).zip(block.chunks_exact(width));
        for (out, block) in lines {
            out[b * cut..][..width].copy_from_slice(block);
        }
    }
    out
}
