//! The forward pass, from the first layer's input to the last layer's values.

use pulp::{Simd, WithSimd};

use super::layer::{Layer, Part, Rows, Saved, time};
use crate::dots::multiply_transposed;
use crate::matmul::{Finish, Right, Start, multiply};
use crate::matrix::{Matrix, Packed};
use crate::{Buffer, Float, FrontToBack, Threads, Unwritten, dispatch, fill};

/// Rows that go through all layers together, at most.
const BLOCK: usize = 48;
/// Values of a layer that fit the stack.
const SMALL: usize = 256;
/// The number of rows up to which packing the weights costs more than it saves.
const FEW: usize = 6;

/// The last layer's values, `(rows, outputs)`, and what was saved if `save`.
pub(super) fn layers_forward<T: Float>(
    threads: &dyn Threads,
    rows: usize,
    parts: &[Part<'_, T>],
    layers: &[Layer<'_, T>],
    save: bool,
) -> (Vec<T>, Saved<T>) {
    let inputs: usize = parts.iter().map(|part| part.width).sum();
    let outputs = layers.last().map_or(0, Layer::outputs);
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
    if outputs == 0 {
        // What is saved is scratch memory, whose contents have no meaning yet.
        let buffers = saved.values.iter_mut().chain(&mut saved.slopes);
        buffers.for_each(|buffer| buffer.fill(T::ZERO));
        saved.input.fill(T::ZERO);
        return (Vec::new(), saved);
    }
    let packed = pack(threads, rows, layers);
    let time = time(rows, layers);
    let piece = threads.piece(rows, 8, time);
    let mut input = Rows::new(&mut saved.input, inputs, piece);
    let mut values = Rows::all(&mut saved.values, layers, piece);
    let mut slopes = Rows::all(&mut saved.slopes, layers, piece);
    let places = (0..rows).step_by(piece).map(|_| Places {
        input: input.next(),
        values: values.iter_mut().map(Rows::next).collect(),
        slopes: slopes.iter_mut().map(Rows::next).collect(),
    });
    let size = piece * outputs;
    let out = fill(
        threads,
        rows * outputs,
        size,
        places,
        time,
        |i, out, places| {
            dispatch(Forward {
                parts,
                layers,
                packed: &packed,
                first: i * piece,
                out,
                places,
            })
        },
    );
    (out, saved)
}

/// The packed weights, where there are so many rows that it pays; without columns for layers whose product does not profit.
pub(super) fn pack<T: Float>(
    threads: &dyn Threads,
    rows: usize,
    layers: &[Layer<'_, T>],
) -> Vec<Packed<T>> {
    // So few outputs are best made one by one.
    let thin = |layer: &Layer<'_, T>| layer.outputs() <= 4 && layer.inputs() >= 16;
    let pays = |layer: &Layer<'_, T>| layer.is_transposed() || rows > FEW && !thin(layer);
    let weights = (layers.iter()).map(|layer| pays(layer).then(|| layer.weight.transposed()));
    Packed::all(threads, weights)
}

/// Rows of what is saved.
struct Places<'a, T> {
    input: &'a mut [T],
    values: Vec<&'a mut [T]>,
    slopes: Vec<&'a mut [T]>,
}

struct Forward<'a, 'b, T: Float> {
    parts: &'a [Part<'a, T>],
    layers: &'a [Layer<'a, T>],
    packed: &'a [Packed<T>],
    /// The first row.
    first: usize,
    out: Unwritten<'b, T>,
    places: Places<'a, T>,
}

impl<'b, T: Float> WithSimd for Forward<'_, 'b, T> {
    type Output = &'b mut [T];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> &'b mut [T] {
        let mut saved = self.places;
        let outputs = self.layers.last().map_or(0, Layer::outputs);
        let rows = self.out.len() / outputs;
        let mut out = FrontToBack::new(self.out);
        let inputs: usize = self.parts.iter().map(|part| part.width).sum();
        let widest = (self.layers.iter())
            .map(Layer::outputs)
            .fold(inputs, usize::max);
        let scratch = BLOCK.min(rows) * widest;
        // Few values stay on the stack.
        let (mut on_stack, mut on_heap) = ([T::ZERO; 2 * SMALL], Vec::new());
        let both = match scratch <= SMALL {
            true => &mut on_stack[..2 * scratch],
            false => {
                on_heap.resize(2 * scratch, T::ZERO);
                &mut on_heap[..]
            }
        };
        let (mut x, mut y) = both.split_at_mut(scratch);
        // Rows that are there as they are needed are read in place.
        let alone = match self.parts {
            [part] if !part.shared && saved.input.is_empty() => Some(part.values),
            _ => None,
        };
        for start in (0..rows).step_by(BLOCK) {
            let count = BLOCK.min(rows - start);
            if alone.is_none() {
                join(self.parts, self.first + start, count, inputs, x);
            }
            if !saved.input.is_empty() {
                saved.input[start * inputs..][..count * inputs]
                    .copy_from_slice(&x[..count * inputs]);
            }
            for (l, layer) in self.layers.iter().enumerate() {
                let width = layer.outputs();
                let target = start * width..(start + count) * width;
                let kept = l.min(saved.values.len());
                let (below, here) = saved.values.split_at_mut(kept);
                // Where values are saved, they are written there at once and read from there.
                let x_rows = match (below.last(), alone) {
                    (Some(values), _) if !values.is_empty() => &values[start * layer.inputs()..],
                    (_, Some(values)) if l == 0 => &values[(self.first + start) * inputs..],
                    _ => &x[..],
                };
                let y_rows = match here {
                    _ if l + 1 == self.layers.len() => out.zeros(count * width),
                    [values, ..] => &mut values[target.clone()],
                    [] => &mut y[..count * width],
                };
                let slopes = match saved.slopes.get_mut(l) {
                    Some(slopes) if !slopes.is_empty() => &mut slopes[target],
                    _ => &mut [],
                };
                let finish = &mut Activate { layer, slopes };
                let x_rows = Matrix::new(x_rows, count, layer.inputs());
                match &self.packed[l] {
                    packed if packed.columns() > 0 => {
                        let from = layer.bias.map_or(Start::Zero, Start::Row);
                        multiply(
                            simd,
                            x_rows,
                            Right::Packed(packed),
                            y_rows,
                            width,
                            from,
                            Some(finish),
                        );
                    }
                    _ => {
                        multiply_transposed(simd, x_rows, layer.weight, layer.bias, y_rows, finish)
                    }
                }
                std::mem::swap(&mut x, &mut y);
            }
        }
        out.finish()
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
            activation.values_and_slopes(simd, y, slopes);
            return;
        }
        activation.values(simd, y);
    }
}

/// Writes the parts' columns side by side.
#[inline(always)]
pub(super) fn join<T: Float>(
    parts: &[Part<'_, T>],
    first: usize,
    rows: usize,
    width: usize,
    out: &mut [T],
) {
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
