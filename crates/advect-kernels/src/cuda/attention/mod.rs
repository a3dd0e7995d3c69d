//! Scaled dot-product attention: products by cuBLAS, and a pass over the scores between them, in pieces of heads or queries.

mod packing;
mod pieces;

use candle_core::{DType, Result, Shape, Tensor};

use super::product::{Matrices, add_products, products};
use super::softmax::Scores;
use super::source::wide;
use super::{Fresh, device_of, masters};
use crate::attention::Sizes;
use packing::Packing;

#[cfg(test)]
pub(super) use packing::FAMILY;
pub(super) use pieces::Piece;

/// The usual [`Attention::most`]. In f32 they take 32 MiB, so that the cache of an H100, 50 MB, holds them from one product to the next.
/// With fewer, a product that has 64 columns would leave many of its multiprocessors without work.
pub const MOST: usize = 1 << 23;

/// How queries, keys and values lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Each in a tensor of its own, `(batch, heads, n, d)`.
    Apart,
    /// Packed in the rows of tokens, `(batch, n, 3 · heads · d)`, role by role or head by head.
    Tokens {
        /// Whether a row is `(3, heads, d)`, not `(heads, 3, d)`.
        by_role: bool,
    },
    /// Packed in channels, `(batch, 3 · heads · d, n)`, role by role or head by head.
    Channels {
        /// Whether the channels are `(3, heads, d)`, not `(heads, 3, d)`.
        by_role: bool,
    },
}

/// An attention.
#[derive(Debug, Clone, Copy)]
pub struct Attention {
    /// The sizes.
    pub sizes: Sizes,
    /// How queries, keys and values lie.
    pub layout: Layout,
    /// Whether a query sees the keys up to its own place alone.
    pub causal: bool,
    /// The most scores that are in memory at once, unless one query has more: [`MOST`].
    pub most: usize,
}

impl Attention {
    /// Which of the tensors has a role's matrices.
    fn tensor(&self, role: usize) -> usize {
        match self.layout {
            Layout::Apart => role,
            Layout::Tokens { .. } | Layout::Channels { .. } => 0,
        }
    }

    /// The matrices of queries, keys or values (role 0, 1, 2) in the memory that has them.
    fn role<M>(&self, role: usize, memory: M) -> Matrices<M> {
        let s = &self.sizes;
        let one = s.n * s.d;
        let sides = [[s.n, s.d], [s.m, s.d], [s.m, s.e]][role];
        let (first, distance) = match self.layout {
            Layout::Apart => (0, sides[0] * sides[1]),
            Layout::Channels { by_role: false } => (role * one, 3 * one),
            Layout::Tokens { .. } | Layout::Channels { by_role: true } => {
                (role * s.batch * s.heads * one, one)
            }
        };
        self.matrices(memory, first, distance, sides)
    }

    /// The matrices of the value or its gradient, one after another.
    fn value<M>(&self, memory: M) -> Matrices<M> {
        let Sizes { n, e, .. } = self.sizes;
        self.matrices(memory, 0, n * e, [n, e])
    }

    /// Matrices of rows, which lie channel by channel if all do.
    fn matrices<M>(
        &self,
        memory: M,
        first: usize,
        distance: usize,
        [rows, columns]: [usize; 2],
    ) -> Matrices<M> {
        let transposed = matches!(self.layout, Layout::Channels { .. });
        Matrices {
            memory,
            first,
            distance,
            stride: if transposed { rows } else { columns },
            transposed,
        }
    }

    /// What scores are scaled by.
    fn factor(&self) -> f64 {
        1.0 / (self.sizes.d as f64).sqrt()
    }

    fn pieces(&self) -> Vec<Piece> {
        Piece::all(&self.sizes, self.causal, self.most)
    }

    fn scores<'a>(&self, piece: Piece, dtype: DType, mask: Option<&'a Tensor>) -> Scores<'a> {
        Scores {
            dtype,
            heads: self.sizes.heads,
            piece,
            causal: self.causal,
            mask,
        }
    }

    /// The weights of a piece, for all queries and keys.
    fn weights(
        &self,
        piece: Piece,
        queries: Matrices<&Tensor>,
        keys: Matrices<&Tensor>,
        mask: Option<&Tensor>,
    ) -> Result<Tensor> {
        let dtype = queries.memory.dtype();
        let mut scores = piece.fresh(device_of(queries.memory)?, dtype)?;
        let sizes = piece.products([piece.queries, self.sizes.d, piece.keys]);
        let (q, k) = (
            queries.from(piece.head, piece.query),
            keys.from(piece.head, 0),
        );
        let out = piece.matrices(&mut scores);
        products(sizes, self.factor(), q, k.flipped(), out)?;
        let weights = self.scores(piece, dtype, mask).weights(scores)?;
        Ok(weights.into_tensor())
    }

    /// The packing that keeps heads from lying at equal distances.
    fn packing(&self) -> Option<Packing> {
        let Sizes {
            batch, heads, n, d, ..
        } = self.sizes;
        let (by_role, n, d) = match self.layout {
            Layout::Tokens { by_role } => (by_role, n, d),
            // A head's matrix is one run of numbers.
            Layout::Channels { by_role: true } => (true, 1, n * d),
            Layout::Channels { by_role: false } | Layout::Apart => return None,
        };
        Some(Packing {
            batch,
            n,
            heads,
            d,
            by_role,
        })
    }
}

/// The value, and the weights for the backward pass if all of them are one piece. The arguments are those of the layout; none is empty.
/// The mask has four dimensions, each of full size or 1.
pub fn forward(
    attention: &Attention,
    inputs: &[&Tensor],
    mask: Option<&Tensor>,
) -> Result<(Fresh, Option<Tensor>)> {
    let Sizes {
        batch, heads, n, e, ..
    } = attention.sizes;
    let (device, dtype) = (device_of(inputs[0])?, inputs[0].dtype());
    let packing = attention.packing();
    let heads_apart = packing.map(|p| p.unpack(inputs[0], 3)).transpose()?;
    let memory = |role| {
        heads_apart
            .as_ref()
            .unwrap_or(inputs[attention.tensor(role)])
    };
    let [q, k, v] = [0, 1, 2].map(|role| attention.role(role, memory(role)));
    let shape = match attention.layout {
        Layout::Channels { .. } => Shape::from((batch, heads * e, n)),
        Layout::Apart | Layout::Tokens { .. } => Shape::from((batch, heads, n, e)),
    };
    let mut y = Fresh::new(device, dtype, shape)?;
    let mut kept = None;
    let pieces = attention.pieces();
    for &piece in &pieces {
        let weights = attention.weights(piece, q, k, mask)?;
        let out = attention.value(&mut y).from(piece.head, piece.query);
        let sizes = piece.products([piece.queries, piece.keys, e]);
        let v = v.from(piece.head, 0);
        products(sizes, 1.0, piece.matrices(&weights), v, out)?;
        if pieces.len() == 1 {
            kept = Some(weights);
        }
    }
    if matches!(attention.layout, Layout::Tokens { .. })
        && let Some(packing) = packing
    {
        y = packing.pack(&y.into_tensor(), 1, &Shape::from((batch, n, heads * e)))?;
    }
    Ok((y, kept))
}

/// The gradients of the arguments, given the gradient of the value. The weights are those that [`forward`] has returned; without, those of each
/// piece are computed again, and have the same bits.
pub fn backward(
    attention: &Attention,
    inputs: &[&Tensor],
    mask: Option<&Tensor>,
    weights: Option<&Tensor>,
    gradient: &Tensor,
) -> Result<Vec<Fresh>> {
    let Sizes { n, d, e, .. } = attention.sizes;
    let (device, dtype) = (device_of(gradient)?, gradient.dtype());
    let packing = attention.packing();
    let heads_apart = packing.map(|p| p.unpack(inputs[0], 3)).transpose()?;
    let memory = |role| {
        heads_apart
            .as_ref()
            .unwrap_or(inputs[attention.tensor(role)])
    };
    let [q, k, v] = [0, 1, 2].map(|role| attention.role(role, memory(role)));
    let gradient = match (attention.layout, packing) {
        (Layout::Tokens { .. }, Some(packing)) => packing.unpack(gradient, 1)?,
        _ => gradient.clone(),
    };
    let pieces = attention.pieces();
    // Those of keys and values are sums over pieces of queries, which are rounded once.
    let of_sums = match pieces.iter().all(|piece| piece.queries == n) {
        true => dtype,
        false => wide(dtype),
    };
    let tensors = attention.tensor(2) + 1;
    let mut gradients = (0..tensors)
        .map(|role| Fresh::new(device, of_sums, memory(role).shape()))
        .collect::<Result<Vec<_>>>()?;
    for piece in pieces {
        let Piece {
            head,
            query,
            queries,
            keys,
            ..
        } = piece;
        let mut out = |role, left: Matrices<&Tensor>, right, sizes, factor| {
            let memory = &mut gradients[attention.tensor(role)];
            let row = if role == 0 { query } else { 0 };
            let out = attention.role(role, memory).from(head, row);
            let sizes = piece.products(sizes);
            match role == 0 || piece.first {
                true => products(sizes, factor, left, right, out),
                false => add_products(sizes, factor, left, right, out),
            }
        };
        let again;
        let weights = match weights {
            Some(weights) => weights,
            None => {
                again = attention.weights(piece, q, k, mask)?;
                &again
            }
        };
        let p = piece.matrices(weights);
        let g = attention.value(&gradient).from(head, query);
        out(2, p.flipped(), g, [keys, queries, e], 1.0)?;
        let mut in_weights = piece.fresh(device, dtype)?;
        let sizes = piece.products([queries, e, keys]);
        let between = piece.matrices(&mut in_weights);
        products(sizes, 1.0, g, v.from(head, 0).flipped(), between)?;
        let in_scores = attention
            .scores(piece, dtype, None)
            .gradient(weights, in_weights)?
            .into_tensor();
        let s = piece.matrices(&in_scores);
        let factor = attention.factor();
        out(0, s, k.from(head, 0), [queries, keys, d], factor)?;
        let q = q.from(head, query);
        out(1, s.flipped(), q, [keys, queries, d], factor)?;
    }
    let gradients = rounded(gradients, dtype)?;
    match packing {
        Some(packing) => {
            let apart = gradients.into_iter().map(Fresh::into_tensor);
            apart
                .map(|x| packing.pack(&x, 3, inputs[0].shape()))
                .collect()
        }
        None => Ok(gradients),
    }
}

/// Sums as elements of a type.
fn rounded(sums: Vec<Fresh>, dtype: DType) -> Result<Vec<Fresh>> {
    if sums.iter().all(|x| x.dtype() == dtype) {
        return Ok(sums);
    }
    let fresh = |x: &Fresh| Fresh::new(x.device(), dtype, x.shape().clone());
    let mut elements = sums.iter().map(fresh).collect::<Result<Vec<_>>>()?;
    let sums: Vec<Tensor> = sums.into_iter().map(Fresh::into_tensor).collect();
    let places = elements.iter_mut().map(|x| (&mut x.storage, 0)).collect();
    masters::round(places, &sums.iter().collect::<Vec<_>>(), dtype)?;
    Ok(elements)
}
