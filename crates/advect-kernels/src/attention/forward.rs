//! The values of one head.

use pulp::{Simd, WithSimd};

use super::head::{BLOCK, Divide, Head};
use super::sizes::Sizes;
use crate::matmul::{Right, Start, multiply};
use crate::matrix::{Matrix, Packed};
use crate::{Buffer, Float};

/// Blocks of queries, one after the other.
pub(super) struct Forward<'a, T> {
    pub(super) head: Head<'a, T>,
    pub(super) out: &'a mut [T],
}

impl<T: Float> WithSimd for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let head = &self.head;
        let Sizes { n, m, e, .. } = head.sizes;
        let keys = Packed::new(head.k.transposed());
        let mut packed = Packed::default();
        let mut weights = Buffer::new(BLOCK * m);
        let mut sums = [T::ZERO; BLOCK];
        for first in (0..n).step_by(BLOCK) {
            let count = BLOCK.min(n - first);
            let seen = head.seen(first + count);
            head.weigh(simd, (first, count), &keys, &mut weights, &mut sums);
            let v = head.v.rows(0, seen);
            let v = match Right::rows::<S>(v) {
                Some(right) => right,
                None => {
                    if packed.inner() != seen {
                        packed.fill(v);
                    }
                    Right::Packed(&packed)
                }
            };
            let out = &mut self.out[first * e..(first + count) * e];
            let divide = &mut Divide {
                width: e,
                sums: &sums,
            };
            multiply(
                simd,
                Matrix::new(&weights, count, seen),
                v,
                out,
                e,
                Start::Zero,
                Some(divide),
            );
        }
    }
}
