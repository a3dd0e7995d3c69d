//! Softmax of rows, and of the scores of attention.

use candle_core::{DType, Result, Tensor};

use super::attention::Piece;
use super::source::wide;
use super::{Argument, Family, Fresh, Grid, device_of, launch};

/// Largest numbers, for the sources of other families too.
pub(super) const MAXIMA: &str = include_str!("maxima.cu");

pub(super) const FAMILY: Family = Family {
    name: "softmax",
    fused: true,
    sources: &[MAXIMA, include_str!("softmax.cu")],
};

/// Warps of a block, and the longest row that a warp has alone.
const WARPS: usize = 8;
const LONGEST: usize = 512;

/// A warp for each short row, a block for each long one.
pub(super) fn grid(rows: usize, width: usize) -> Grid {
    // Kernels take turns beyond.
    const MOST: usize = 1 << 20;
    let blocks = match width <= LONGEST {
        true => rows.div_ceil(WARPS),
        false => rows,
    };
    Grid::new(blocks.min(MOST), 32 * WARPS)
}

/// The number of rows, and their width.
fn sizes(x: &Tensor) -> [usize; 2] {
    let width = x.dims().last().copied().unwrap_or(1);
    [x.elem_count() / width.max(1), width]
}

/// The softmax over the last dimension of x, which is not empty.
pub fn forward(x: &Tensor) -> Result<Fresh> {
    let (dtype, [rows, width]) = (x.dtype(), sizes(x));
    let mut y = Fresh::new(device_of(x)?, dtype, x.shape())?;
    let mut arguments = [
        Argument::Read(x),
        Argument::Write(&mut y),
        Argument::Size(rows),
        Argument::Size(width),
    ];
    launch(&FAMILY, "softmax", dtype, grid(rows, width), &mut arguments)?;
    Ok(y)
}

/// The gradient of x, given the value and its gradient.
pub fn backward(y: &Tensor, gradient: &Tensor) -> Result<Fresh> {
    let (dtype, [rows, width]) = (y.dtype(), sizes(y));
    let mut dx = Fresh::new(device_of(y)?, dtype, y.shape())?;
    let mut arguments = [
        Argument::Read(y),
        Argument::Read(gradient),
        Argument::Write(&mut dx),
        Argument::Size(rows),
        Argument::Size(width),
    ];
    launch(
        &FAMILY,
        "softmax_backward",
        dtype,
        grid(rows, width),
        &mut arguments,
    )?;
    Ok(dx)
}

/// Some scores of attention, and who sees whom.
pub(super) struct Scores<'a> {
    pub(super) dtype: DType,
    /// The heads of a sample.
    pub(super) heads: usize,
    pub(super) piece: Piece,
    /// Whether a query sees the keys up to its own place alone.
    pub(super) causal: bool,
    /// What is added to the scores: a tensor with four dimensions, each of full size or 1.
    pub(super) mask: Option<&'a Tensor>,
}

impl Scores<'_> {
    /// Distances in the mask between neighbouring samples, heads, queries and keys.
    fn distances(&self) -> [usize; 4] {
        let dims = self.mask.map_or(&[][..], Tensor::dims);
        let mut step = 1;
        let mut distances = [0; 4];
        for (i, &n) in dims.iter().enumerate().rev() {
            distances[i] = if n > 1 { step } else { 0 };
            step *= n;
        }
        distances
    }

    /// The memory of numbers in the type of arithmetic, and where elements are written: the same if the types are.
    fn places(&self, numbers: Fresh) -> Result<(Option<Tensor>, Fresh)> {
        match wide(self.dtype) == self.dtype {
            true => Ok((None, numbers)),
            false => {
                let elements = Fresh::new(numbers.device(), self.dtype, numbers.shape())?;
                Ok((Some(numbers.into_tensor()), elements))
            }
        }
    }

    /// The weights of attention, for scores in the type of arithmetic.
    pub(super) fn weights(&self, scores: Fresh) -> Result<Fresh> {
        let (scores, mut weights) = self.places(scores)?;
        let rows = weights.count() / self.piece.keys;
        let mut arguments = vec![
            scores.as_ref().map_or(Argument::Nothing, Argument::Read),
            self.mask.map_or(Argument::Nothing, Argument::Read),
            Argument::Write(&mut weights),
        ];
        let Piece {
            head,
            query,
            queries,
            keys,
            ..
        } = self.piece;
        let sizes = [rows, keys, self.heads, head, queries, query];
        let sizes = sizes.into_iter().chain(self.distances());
        arguments.extend(sizes.map(Argument::Size));
        arguments.push(Argument::Size(usize::from(self.causal)));
        let grid = grid(rows, keys);
        launch(
            &FAMILY,
            "attention_weights",
            self.dtype,
            grid,
            &mut arguments,
        )?;
        Ok(weights)
    }

    /// The gradient of the scores, given that of the weights in the type of arithmetic.
    pub(super) fn gradient(&self, weights: &Tensor, gradient: Fresh) -> Result<Fresh> {
        let (gradient, mut in_scores) = self.places(gradient)?;
        let Piece {
            query,
            queries,
            keys,
            ..
        } = self.piece;
        let rows = in_scores.count() / keys;
        let mut arguments = [
            Argument::Read(weights),
            gradient.as_ref().map_or(Argument::Nothing, Argument::Read),
            Argument::Write(&mut in_scores),
            Argument::Size(rows),
            Argument::Size(keys),
            Argument::Size(queries),
            Argument::Size(query),
            Argument::Size(usize::from(self.causal)),
        ];
        let (kernel, grid) = ("attention_weights_backward", grid(rows, keys));
        launch(&FAMILY, kernel, self.dtype, grid, &mut arguments)?;
        Ok(in_scores)
    }
}
