//! The inputs of one head of one sample, and its weights.

use pulp::Simd;

use super::sizes::{Mask, Sizes};
use crate::matmul::{Finish, Right, Start, multiply};
use crate::matrix::{Matrix, Packed};
use crate::softmax::exponentials;
use crate::{Float, sums};

/// Queries whose scores are in the cache together.
pub(super) const BLOCK: usize = 32;

/// The inputs of one head of one sample.
#[derive(Clone, Copy)]
pub(super) struct Head<'a, T> {
    pub(super) sizes: Sizes,
    pub(super) q: Matrix<'a, T>,
    pub(super) k: Matrix<'a, T>,
    pub(super) v: Matrix<'a, T>,
    /// Whether a query sees the keys up to its own alone.
    pub(super) causal: bool,
    /// The mask with the distances of its rows and columns.
    mask: Option<(&'a [T], usize, usize)>,
}

impl<'a, T: Float> Head<'a, T> {
    /// A head of matrices, wherever they lie.
    pub(super) fn unmasked(sizes: Sizes, [q, k, v]: [Matrix<'a, T>; 3]) -> Self {
        Head {
            sizes,
            q,
            k,
            v,
            causal: false,
            mask: None,
        }
    }

    /// A head whose queries, keys and values are columns: the channels of feature maps.
    pub(super) fn of_channels(s: Sizes, [q, k, v]: [&'a [T]; 3]) -> Self {
        let q = Matrix::new(q, s.d, s.n).transposed();
        let k = Matrix::new(k, s.d, s.m).transposed();
        let v = Matrix::new(v, s.e, s.m).transposed();
        Head::unmasked(s, [q, k, v])
    }

    /// The i-th head of all samples.
    pub(super) fn new(
        s: Sizes,
        i: usize,
        [q, k, v]: [&'a [T]; 3],
        mask: Option<Mask<'a, T>>,
    ) -> Self {
        let mask = mask.map(|mask| {
            let step = |dim: usize| match mask.dims[dim] {
                1 => 0,
                _ => mask.dims[dim + 1..].iter().product(),
            };
            let offset = i / s.heads * step(0) + i % s.heads * step(1);
            (&mask.values[offset..], step(2), step(3))
        });
        Head {
            sizes: s,
            q: Matrix::new(&q[i * s.n * s.d..], s.n, s.d),
            k: Matrix::new(&k[i * s.m * s.d..], s.m, s.d),
            v: Matrix::new(&v[i * s.m * s.e..], s.m, s.e),
            causal: false,
            mask,
        }
    }

    /// The keys that queries before `end` see, the first ones.
    pub(super) fn seen(&self, end: usize) -> usize {
        match self.causal {
            true => end.min(self.sizes.m),
            false => self.sizes.m,
        }
    }

    /// The weights of a block of queries before they are divided by their sums, `(count, seen)`, and the sums.
    #[inline(always)]
    pub(super) fn weigh<S: Simd>(
        &self,
        simd: S,
        (first, count): (usize, usize),
        keys: &Packed<T>,
        weights: &mut [T],
        sums: &mut [T],
    ) {
        let q = self.q.rows(first, first + count);
        let seen = self.seen(first + count);
        let finish = &mut Weigh {
            head: self,
            first,
            seen,
            sums,
        };
        multiply(
            simd,
            q,
            Right::Columns(keys, 0, seen),
            weights,
            seen,
            Start::Zero,
            Some(finish),
        );
    }
}

/// Turns rows of products into weights before they are divided by their sums, which are kept.
struct Weigh<'a, T> {
    head: &'a Head<'a, T>,
    /// The first query of the block.
    first: usize,
    /// The keys that the block sees.
    seen: usize,
    sums: &'a mut [T],
}

impl<T: Float> Finish<T> for Weigh<'_, T> {
    #[inline(always)]
    fn rows<S: Simd>(&mut self, _: S, first: usize, rows: &mut [T]) {
        let s = self.head.sizes;
        for (i, row) in rows.chunks_exact_mut(self.seen).enumerate() {
            let (row, later) = row.split_at_mut(self.head.seen(self.first + first + i + 1));
            later.fill(T::ZERO);
            let mut scale = s.scale::<T>();
            if let Some((mask, row_step, column_step)) = self.head.mask {
                let mask = &mask[(self.first + first + i) * row_step..];
                for (j, x) in row.iter_mut().enumerate() {
                    *x = x.madd::<S>(scale, mask[j * column_step]);
                }
                scale = T::ONE;
            }
            let largest = sums::maximum(row) * scale;
            self.sums[first + i] = exponentials::<S, T>(row, scale, largest);
        }
    }
}

/// Divides rows by their sums.
pub(super) struct Divide<'a, T> {
    pub(super) width: usize,
    pub(super) sums: &'a [T],
}

impl<T: Float> Finish<T> for Divide<'_, T> {
    #[inline(always)]
    fn rows<S: Simd>(&mut self, _: S, first: usize, rows: &mut [T]) {
        for (row, sum) in rows.chunks_exact_mut(self.width).zip(&self.sums[first..]) {
            let inverse = T::ONE / *sum;
            for x in row {
                *x *= inverse;
            }
        }
    }
}
