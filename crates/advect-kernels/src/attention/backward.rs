//! The gradients of one head.

use pulp::{Simd, WithSimd};

use super::head::{BLOCK, Divide, Head};
use super::sizes::Sizes;
use crate::matmul::{Finish, Right, Start, multiply};
use crate::matrix::{Matrix, Packed};
use crate::{Buffer, Float, sums};

/// With the weights P, which are made again: `dV = Pᵀ dO`, `dS = P ∘ (dO Vᵀ − rowsum(dO ∘ O))`, `dQ = dS K / √d`,
/// `dK = dSᵀ Q / √d` (Dao et al. 2022, appendix B.2).
pub(super) struct Backward<'a, T> {
    pub(super) head: Head<'a, T>,
    pub(super) value: &'a [T],
    pub(super) gradient: &'a [T],
    pub(super) dq: &'a mut [T],
    pub(super) dk: &'a mut [T],
    pub(super) dv: &'a mut [T],
}

/// `P ∘ (dP − D) / √d`, in place of dP.
struct ScoreGradient<'a, T> {
    weights: &'a [T],
    means: &'a [T],
    width: usize,
    scale: T,
}

impl<T: Float> Finish<T> for ScoreGradient<'_, T> {
    #[inline(always)]
    fn rows<S: Simd>(&mut self, _: S, first: usize, rows: &mut [T]) {
        let weights = self.weights[first * self.width..].chunks_exact(self.width);
        for ((row, weights), mean) in rows
            .chunks_exact_mut(self.width)
            .zip(weights)
            .zip(&self.means[first..])
        {
            for (x, p) in row.iter_mut().zip(weights) {
                *x = *p * (*x - *mean) * self.scale;
            }
        }
    }
}

impl<T: Float> WithSimd for Backward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let head = &self.head;
        let Sizes { n, m, d, e, .. } = head.sizes;
        let (keys, values) = (
            Packed::new(head.k.transposed()),
            Packed::new(head.v.transposed()),
        );
        let mut k_rows = Packed::default();
        let mut block = Packed::default();
        let (mut weights, mut scores) = (Buffer::new(BLOCK * m), Buffer::new(BLOCK * m));
        let (mut sums, mut means) = ([T::ZERO; BLOCK], [T::ZERO; BLOCK]);
        for first in (0..n).step_by(BLOCK) {
            let count = BLOCK.min(n - first);
            let seen = head.seen(first + count);
            if k_rows.inner() != seen {
                k_rows.fill(head.k.rows(0, seen));
            }
            let q = head.q.rows(first, first + count);
            head.weigh(simd, (first, count), &keys, &mut weights, &mut sums);
            let divide = &mut Divide {
                width: seen,
                sums: &sums,
            };
            divide.rows(simd, 0, &mut weights[..count * seen]);
            let gradient = &self.gradient[first * e..(first + count) * e];
            let value = &self.value[first * e..(first + count) * e];
            for (i, mean) in means[..count].iter_mut().enumerate() {
                let range = i * e..(i + 1) * e;
                *mean = sums::sum_pairs(&gradient[range.clone()], &value[range], |g, o| {
                    [g * o, T::ZERO]
                })[0];
            }
            let gradient = Matrix::new(gradient, count, e);
            let p = Matrix::new(&weights, count, seen);
            // dV += Pᵀ dO
            block.fill(gradient);
            multiply(
                simd,
                p.transposed(),
                Right::Packed(&block),
                self.dv,
                e,
                Start::Present,
                None,
            );
            let finish = &mut ScoreGradient {
                weights: &weights,
                means: &means,
                width: seen,
                scale: head.sizes.scale(),
            };
            multiply(
                simd,
                gradient,
                Right::Columns(&values, 0, seen),
                &mut scores,
                seen,
                Start::Zero,
                Some(finish),
            );
            let ds = Matrix::new(&scores, count, seen);
            let dq = &mut self.dq[first * d..(first + count) * d];
            multiply(simd, ds, Right::Packed(&k_rows), dq, d, Start::Zero, None);
            // dK += dSᵀ Q
            block.fill(q);
            multiply(
                simd,
                ds.transposed(),
                Right::Packed(&block),
                self.dk,
                d,
                Start::Present,
                None,
            );
        }
    }
}
