//! Layers, their inputs, and the values that are kept of them.

use crate::activation::Function;
use crate::matrix::Matrix;
use crate::{Buffer, Float};

/// A layer `y = activation(x Wᵀ + b)`.
pub struct Layer<'a, T> {
    /// The weight, (outputs, inputs), which lies row by row or column by column.
    pub weight: Matrix<'a, T>,
    /// The bias, one number for each output.
    pub bias: Option<&'a [T]>,
    /// The function that is applied to the sums.
    pub activation: Function,
}

impl<T> Layer<'_, T> {
    /// Returns the number of inputs.
    pub fn inputs(&self) -> usize {
        self.weight.columns
    }

    /// Returns the number of outputs.
    pub fn outputs(&self) -> usize {
        self.weight.rows
    }

    /// Whether the weight lies column by column: a matrix (inputs, outputs) in memory, as is its gradient.
    pub(super) fn is_transposed(&self) -> bool {
        self.weight.column_stride != 1
    }
}

/// Some columns of the first layer's input, with one row for each sample, or one row for all.
pub struct Part<'a, T> {
    /// The values, row by row.
    pub values: &'a [T],
    /// The number of columns.
    pub width: usize,
    /// Whether there is one row for all samples.
    pub shared: bool,
}

/// The values that the backward pass needs.
pub struct Saved<T: Float> {
    /// The first layer's input, if it had several parts.
    pub(super) input: Buffer<T>,
    /// The values of all layers but the last.
    pub(super) values: Vec<Buffer<T>>,
    /// The activations' slopes, where they don't follow from the values.
    pub(super) slopes: Vec<Buffer<T>>,
}

/// Nanoseconds for a product of this many multiply–adds on one thread.
fn product_time<T>(multiply_adds: usize) -> usize {
    multiply_adds * size_of::<T>() / 200
}

pub(super) fn time<T>(rows: usize, layers: &[Layer<'_, T>]) -> usize {
    let each = |l: &Layer<'_, T>| product_time::<T>(l.inputs() * l.outputs()) + l.outputs() / 2;
    rows * layers.iter().map(each).sum::<usize>()
}

/// A buffer handed out in pieces of some rows; nothing, if it was not allocated.
pub(super) struct Rows<'a, T> {
    rest: &'a mut [T],
    piece: usize,
}

impl<'a, T: Float> Rows<'a, T> {
    pub(super) fn new(values: &'a mut [T], width: usize, rows: usize) -> Self {
        Rows {
            rest: values,
            piece: rows * width,
        }
    }

    pub(super) fn all(
        buffers: &'a mut [Buffer<T>],
        layers: &[Layer<'_, T>],
        rows: usize,
    ) -> Vec<Self> {
        (buffers.iter_mut().zip(layers))
            .map(|(buffer, layer)| Rows::new(buffer, layer.outputs(), rows))
            .collect()
    }

    pub(super) fn next(&mut self) -> &'a mut [T] {
        let rest = std::mem::take(&mut self.rest);
        let (piece, rest) = rest.split_at_mut(self.piece.min(rest.len()));
        self.rest = rest;
        piece
    }
}
