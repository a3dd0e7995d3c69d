//! The gradients of the weights, sums over all rows, in blocks.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::layer::{Layer, Saved};
use crate::matmul::{Right, Start, multiply};
use crate::matrix::{Matrix, PANEL, Packed};
use crate::{Buffer, Float, FrontToBack, Threads, dispatch, fill};

/// `deltaᵀ x` of each layer, `(outputs, inputs)`, or its transpose for a weight that lies so, in blocks, each the work of one thread.
pub(super) struct WeightGradients<T: Float> {
    /// The blocks of each layer, row by row.
    blocks: Vec<Vec<Buffer<T>>>,
    cuts: Vec<Cut>,
}

/// How a matrix is cut into blocks: along its longer side.
#[derive(Clone, Copy)]
struct Cut {
    rows: usize,
    columns: usize,
    /// Rows of a block, except the last.
    height: usize,
    /// Columns of a block, except the last.
    width: usize,
}

impl Cut {
    /// Blocks for some threads. Each of them begins a line of the cache, so that no two read one.
    fn new<T>(layer: &Layer<'_, T>, count: usize) -> Self {
        let (rows, columns) = match layer.is_transposed() {
            true => (layer.inputs(), layer.outputs()),
            false => (layer.outputs(), layer.inputs()),
        };
        let part = |side: usize| side.div_ceil(count).next_multiple_of(PANEL);
        let (height, width) = match rows > columns {
            true => (part(rows), columns.max(1)),
            false => (rows.max(1), part(columns).max(1)),
        };
        Cut {
            rows,
            columns,
            height,
            width,
        }
    }

    /// The rows and columns of each block.
    fn blocks(self) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
        let part = |start: usize, size: usize, end: usize| start..end.min(start + size);
        let rows = (0..self.rows).step_by(self.height);
        rows.flat_map(move |row| {
            let columns = (0..self.columns).step_by(self.width);
            columns.map(move |column| {
                (
                    part(row, self.height, self.rows),
                    part(column, self.width, self.columns),
                )
            })
        })
    }
}

impl<T: Float> WeightGradients<T> {
    pub(super) fn new(threads: &dyn Threads, layers: &[Layer<'_, T>], time: usize) -> Self {
        let count = match threads.worthwhile(time) {
            true => threads.count(),
            false => 1,
        };
        let cuts: Vec<Cut> = layers.iter().map(|layer| Cut::new(layer, count)).collect();
        let room =
            |(rows, columns): (Range<usize>, Range<usize>)| Buffer::new(rows.len() * columns.len());
        let blocks = cuts.iter().map(|cut| cut.blocks().map(room).collect());
        WeightGradients {
            blocks: blocks.collect(),
            cuts,
        }
    }

    /// Adds what some rows contribute.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn add(
        &mut self,
        threads: &dyn Threads,
        first: usize,
        rows: usize,
        input: &[T],
        layers: &[Layer<'_, T>],
        saved: &Saved<T>,
        deltas: &[&[T]],
        time: usize,
    ) {
        let mut tasks = Vec::new();
        for (l, (layer, blocks)) in layers.iter().zip(&mut self.blocks).enumerate() {
            let x = if l == 0 { input } else { &saved.values[l - 1] };
            let x = Matrix::new(&x[first * layer.inputs()..], rows, layer.inputs());
            let delta = Matrix::new(deltas[l], rows, layer.outputs());
            let (left, right) = match layer.is_transposed() {
                true => (x.transposed(), delta),
                false => (delta.transposed(), x),
            };
            for (out, (rows, columns)) in blocks.iter_mut().zip(self.cuts[l].blocks()) {
                let left = left.rows(rows.start, rows.end);
                let right = right.columns(columns.start, columns.end);
                let from = match first {
                    0 => Start::Zero,
                    _ => Start::Present,
                };
                tasks.push(WeightGradient {
                    left,
                    right,
                    from,
                    out,
                });
            }
        }
        threads.each(tasks, time, |task: WeightGradient<'_, T>| dispatch(task));
    }

    /// The blocks side by side.
    pub(super) fn assemble(self, threads: &dyn Threads) -> Vec<Vec<T>> {
        let layers = self.blocks.iter().zip(self.cuts);
        layers
            .map(|(blocks, cut)| assemble(threads, blocks, cut))
            .collect()
    }
}

/// The product of one of delta and x, transposed, and the other.
struct WeightGradient<'a, T> {
    left: Matrix<'a, T>,
    right: Matrix<'a, T>,
    from: Start<'a, T>,
    out: &'a mut [T],
}

/// Rows of the right-hand side packed at a time.
const DEEP: usize = 512;

impl<T: Float> WithSimd for WeightGradient<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = self.right.columns;
        if let Some(right) = Right::rows::<S>(self.right) {
            multiply(simd, self.left, right, self.out, width, self.from, None);
            return;
        }
        let mut packed = Packed::default();
        for start in (0..self.right.rows).step_by(DEEP) {
            let end = self.right.rows.min(start + DEEP);
            packed.fill(self.right.rows(start, end));
            let left = self.left.columns(start, end);
            let from = match start {
                0 => self.from,
                _ => Start::Present,
            };
            let right = Right::Packed(&packed);
            multiply(simd, left, right, self.out, width, from, None);
        }
    }
}

/// The matrix of these blocks.
fn assemble<T: Float>(threads: &dyn Threads, blocks: &[Buffer<T>], cut: Cut) -> Vec<T> {
    let Cut {
        rows,
        columns,
        height,
        width,
    } = cut;
    let time = rows * columns / 2;
    let piece = threads.piece(rows, 1, time);
    let pieces = std::iter::repeat_n((), rows.div_ceil(piece));
    let size = piece * columns;
    fill(threads, rows * columns, size, pieces, time, |i, out, ()| {
        let count = out.len() / columns;
        let mut out = FrontToBack::new(out);
        for row in i * piece..i * piece + count {
            let across = columns.div_ceil(width);
            let beside = &blocks[row / height * across..][..across];
            for (b, block) in beside.iter().enumerate() {
                let width = width.min(columns - b * width);
                out.copy(&block[row % height * width..][..width]);
            }
        }
        out.finish()
    })
}
