//! Fully connected layers, one after another, for a block of rows at a time, so that hidden values stay in the cache.

mod backward;
mod forward;
mod tangents;

pub(crate) use backward::backward;
pub(crate) use forward::forward;
pub(crate) use tangents::tangents;

use super::matrix::Matrix;
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

/// Nanoseconds for a product of this many multiply–adds on one thread.
fn product_time<T>(multiply_adds: usize) -> usize {
    multiply_adds * size_of::<T>() / 200
}

fn time<T>(rows: usize, layers: &[Layer<'_, T>]) -> usize {
    let each = |l: &Layer<'_, T>| product_time::<T>(l.inputs() * l.outputs()) + l.outputs() / 2;
    rows * layers.iter().map(each).sum::<usize>()
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
