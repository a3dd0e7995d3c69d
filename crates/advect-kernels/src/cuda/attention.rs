//! Scaled dot-product attention: products by cuBLAS, and a pass over the scores between them.

use candle_core::{DType, Result, Shape, Tensor};

use super::product::{self, Matrices, products};
use super::softmax::Scores;
use super::source::wide;
use super::{Argument, Family, Fresh, Grid, device_of, launch};
use crate::attention::Sizes;

pub(super) const FAMILY: Family = Family {
    name: "attention",
    sources: &[include_str!("attention.cu")],
};

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
        let (first, distance) = match self.layout {
            Layout::Apart => (0, [one, s.m * s.d, s.m * s.e][role]),
            Layout::Channels { by_role: false } => (role * one, 3 * one),
            Layout::Tokens { .. } | Layout::Channels { by_role: true } => {
                (role * s.batch * s.heads * one, one)
            }
        };
        self.matrices(memory, first, distance)
    }

    /// The matrices of the value or its gradient, one after another.
    fn value<M>(&self, memory: M) -> Matrices<M> {
        self.matrices(memory, 0, self.sizes.n * self.sizes.e)
    }

    /// Matrices of rows, which lie channel by channel if all do.
    fn matrices<M>(&self, memory: M, first: usize, distance: usize) -> Matrices<M> {
        Matrices {
            memory,
            first,
            distance,
            transposed: matches!(self.layout, Layout::Channels { .. }),
        }
    }

    /// The matrices of scores or weights.
    fn between<M>(&self, memory: M) -> Matrices<M> {
        Matrices {
            memory,
            first: 0,
            distance: self.sizes.n * self.sizes.m,
            transposed: false,
        }
    }

    /// The sizes of the products of a matrix `(rows, inner)` and one `(inner, columns)` for each head.
    fn products(&self, [rows, inner, columns]: [usize; 3]) -> product::Sizes {
        product::Sizes {
            count: self.sizes.batch * self.sizes.heads,
            rows,
            inner,
            columns,
        }
    }

    /// What scores are scaled by.
    fn factor(&self) -> f64 {
        1.0 / (self.sizes.d as f64).sqrt()
    }

    fn scores<'a>(&self, dtype: DType, mask: Option<&'a Tensor>) -> Scores<'a> {
        Scores {
            dtype,
            heads: self.sizes.heads,
            queries: self.sizes.n,
            keys: self.sizes.m,
            causal: self.causal,
            mask,
        }
    }

    /// Memory for the scores, in the type of arithmetic.
    fn fresh_scores(&self, like: &Tensor) -> Result<Fresh> {
        let Sizes {
            batch, heads, n, m, ..
        } = self.sizes;
        Fresh::new(device_of(like)?, wide(like.dtype()), (batch, heads, n, m))
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

/// The value, and the weights for the backward pass. The arguments are those of the layout; none is empty. The mask has four
/// dimensions, each of full size or 1.
pub fn forward(
    attention: &Attention,
    inputs: &[&Tensor],
    mask: Option<&Tensor>,
) -> Result<(Fresh, Tensor)> {
    let Sizes {
        batch,
        heads,
        n,
        m,
        d,
        e,
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
    let mut scores = attention.fresh_scores(inputs[0])?;
    let out = attention.between(&mut scores);
    let sizes = attention.products([n, d, m]);
    products(sizes, attention.factor(), q, k.flipped(), out)?;
    let weights = attention.scores(dtype, mask).weights(scores)?.into_tensor();
    let shape = match attention.layout {
        Layout::Channels { .. } => Shape::from((batch, heads * e, n)),
        Layout::Apart | Layout::Tokens { .. } => Shape::from((batch, heads, n, e)),
    };
    let mut y = Fresh::new(device, dtype, shape)?;
    let out = attention.value(&mut y);
    let sizes = attention.products([n, m, e]);
    products(sizes, 1.0, attention.between(&weights), v, out)?;
    if matches!(attention.layout, Layout::Tokens { .. })
        && let Some(packing) = packing
    {
        y = packing.pack(&y.into_tensor(), 1, &Shape::from((batch, n, heads * e)))?;
    }
    Ok((y, weights))
}

/// The gradients of the arguments, given the weights and the gradient of the value.
pub fn backward(
    attention: &Attention,
    inputs: &[&Tensor],
    weights: &Tensor,
    gradient: &Tensor,
) -> Result<Vec<Fresh>> {
    let Sizes { n, m, d, e, .. } = attention.sizes;
    let (device, dtype) = (device_of(weights)?, weights.dtype());
    let packing = attention.packing();
    let heads_apart = packing.map(|p| p.unpack(inputs[0], 3)).transpose()?;
    let memory = |role| {
        heads_apart
            .as_ref()
            .unwrap_or(inputs[attention.tensor(role)])
    };
    let [q, k, v] = [0, 1, 2].map(|role| attention.role(role, memory(role)));
    let g = match (attention.layout, packing) {
        (Layout::Tokens { .. }, Some(packing)) => packing.unpack(gradient, 1)?,
        _ => gradient.clone(),
    };
    let tensors = attention.tensor(2) + 1;
    let mut gradients = (0..tensors)
        .map(|role| Fresh::new(device, dtype, memory(role).shape()))
        .collect::<Result<Vec<_>>>()?;
    let mut out = |role, left: Matrices<&Tensor>, right, sizes, factor| {
        let memory = &mut gradients[attention.tensor(role)];
        let (sizes, out) = (attention.products(sizes), attention.role(role, memory));
        products(sizes, factor, left, right, out)
    };
    let (p, g) = (attention.between(weights), attention.value(&g));
    out(2, p.flipped(), g, [m, n, e], 1.0)?;
    let mut in_weights = attention.fresh_scores(weights)?;
    let sizes = attention.products([n, e, m]);
    let between = attention.between(&mut in_weights);
    products(sizes, 1.0, g, v.flipped(), between)?;
    let in_scores = attention
        .scores(dtype, None)
        .gradient(weights, in_weights)?
        .into_tensor();
    let s = attention.between(&in_scores);
    out(0, s, k, [n, m, d], attention.factor())?;
    out(1, s.flipped(), q, [m, n, d], attention.factor())?;
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

/// Rows `(batch, n, roles · heads · d)` of several heads' numbers.
#[derive(Clone, Copy)]
struct Packing {
    batch: usize,
    n: usize,
    heads: usize,
    d: usize,
    by_role: bool,
}

impl Packing {
    /// The heads' matrices, `(roles, batch, heads, n, d)`.
    fn unpack(&self, x: &Tensor, roles: usize) -> Result<Tensor> {
        let Packing {
            batch, n, heads, d, ..
        } = *self;
        let shape = Shape::from((roles, batch, heads, n, d));
        Ok(self.moved(x, roles, shape, false)?.into_tensor())
    }

    /// The rows of a shape that have the heads' matrices.
    fn pack(&self, x: &Tensor, roles: usize, shape: &Shape) -> Result<Fresh> {
        self.moved(x, roles, shape.clone(), true)
    }

    fn moved(&self, x: &Tensor, roles: usize, shape: Shape, back: bool) -> Result<Fresh> {
        let mut y = Fresh::new(device_of(x)?, x.dtype(), shape)?;
        let columns = roles * self.heads * self.d;
        let grid = Grid::over_rows(self.batch * self.n, columns);
        let mut arguments = vec![Argument::Read(x), Argument::Write(&mut y)];
        let (by_role, back) = (usize::from(self.by_role), usize::from(back));
        let sizes = [self.batch, self.n, self.heads, self.d, roles, by_role, back];
        arguments.extend(sizes.map(Argument::Size));
        launch(&FAMILY, "heads", x.dtype(), grid, &mut arguments)?;
        Ok(y)
    }
}
