//! The parts of the scores that are in memory at once.

use candle_core::{CudaDevice, DType, Result};

use super::super::Fresh;
use super::super::product::{self, Matrices};
use super::super::source::wide;
use crate::attention::Sizes;

/// Some heads, and some queries of each. The heads of all samples are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cuda) struct Piece {
    /// The first of the heads.
    pub(in crate::cuda) head: usize,
    /// The number of heads.
    pub(in crate::cuda) heads: usize,
    /// The first of the queries.
    pub(in crate::cuda) query: usize,
    /// The number of queries of each head.
    pub(in crate::cuda) queries: usize,
    /// The number of keys of each head, from its first one on, that some of the queries may see.
    pub(in crate::cuda) keys: usize,
    /// Whether no other queries of these heads came before: then it has all keys.
    pub(in crate::cuda) first: bool,
}

impl Piece {
    /// All scores, in the order of the pieces: heads whole if those of one are at most `most`, else some queries of one head, the last ones
    /// first. Earlier queries have the keys alone that the last of them sees, if attention is causal.
    pub(super) fn all(sizes: &Sizes, causal: bool, most: usize) -> Vec<Piece> {
        let (n, m) = (sizes.n, sizes.m);
        let (all, of_head) = (sizes.batch * sizes.heads, n.saturating_mul(m));
        if of_head <= most {
            // As many in each piece, or nearly.
            let count = all.div_ceil(most / of_head);
            let heads = all.div_ceil(count);
            let whole = |head| Piece {
                head,
                heads: heads.min(all - head),
                query: 0,
                queries: n,
                keys: m,
                first: true,
            };
            return (0..all).step_by(heads).map(whole).collect();
        }
        let queries = queries_at_once(most / m);
        let of_head = |head| {
            let starts = (0..n).step_by(queries).rev();
            starts.map(move |query| {
                let end = n.min(query + queries);
                Piece {
                    head,
                    heads: 1,
                    query,
                    queries: end - query,
                    keys: if causal && end < n { m.min(end) } else { m },
                    first: end == n,
                }
            })
        };
        (0..all).flat_map(of_head).collect()
    }

    /// Memory for its scores, in the type of arithmetic.
    pub(super) fn fresh(&self, device: &CudaDevice, dtype: DType) -> Result<Fresh> {
        Fresh::new(device, wide(dtype), (self.heads, self.queries, self.keys))
    }

    /// The matrices of its scores or weights.
    pub(super) fn matrices<M>(&self, memory: M) -> Matrices<M> {
        Matrices {
            memory,
            first: 0,
            distance: self.queries * self.keys,
            stride: self.keys,
            transposed: false,
        }
    }

    /// The sizes of the products of a matrix `(rows, inner)` and one `(inner, columns)` for each head.
    pub(super) fn products(&self, [rows, inner, columns]: [usize; 3]) -> product::Sizes {
        product::Sizes {
            count: self.heads,
            rows,
            inner,
            columns,
        }
    }
}

/// At least one and at most so many queries: where that leaves some, as many as keep addresses aligned for the tensor cores.
fn queries_at_once(most: usize) -> usize {
    const ALIGNED: usize = 64;
    match most {
        0 => 1,
        1..ALIGNED => most,
        _ => most - most % ALIGNED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: Sizes = Sizes {
        batch: 3,
        heads: 3,
        n: 10,
        m: 20,
        d: 4,
        e: 4,
    };

    #[test]
    fn heads_are_shared_out_evenly() {
        let heads = |most| -> Vec<usize> {
            let pieces = Piece::all(&SIZES, false, most);
            assert!(pieces.iter().all(|p| (p.queries, p.keys) == (10, 20)));
            assert!(pieces.iter().all(|p| p.first));
            pieces.iter().map(|p| p.heads).collect()
        };
        assert_eq!(heads(9 * 200), [9]);
        assert_eq!(heads(9 * 200 - 1), [5, 4]);
        assert_eq!(heads(4 * 200), [3, 3, 3]);
        assert_eq!(heads(200), [1; 9]);
    }

    #[test]
    fn every_score_is_in_one_piece() {
        for (most, causal) in [
            (1, false),
            (40, false),
            (70, true),
            (199, true),
            (200, true),
        ] {
            let pieces = Piece::all(&SIZES, causal, most);
            let mut seen = vec![[0; 20]; 90];
            for p in &pieces {
                assert!(p.heads * p.queries * p.keys <= most.max(20));
                for head in p.head..p.head + p.heads {
                    for query in p.query..p.query + p.queries {
                        seen[10 * head + query][..p.keys]
                            .iter_mut()
                            .for_each(|n| *n += 1);
                    }
                }
            }
            for (i, row) in seen.iter().enumerate() {
                let needed = if causal { i % 10 + 1 } else { 20 };
                assert!(row[..needed].iter().all(|&n| n == 1), "{most} {causal} {i}");
            }
        }
    }

    #[test]
    fn all_keys_come_first() {
        let pieces = Piece::all(&SIZES, true, 80);
        let of_head: Vec<_> = (pieces.iter().take(3))
            .map(|p| (p.query, p.queries, p.keys, p.first))
            .collect();
        assert_eq!(
            of_head,
            [(8, 2, 20, true), (4, 4, 8, false), (0, 4, 4, false)]
        );
        assert_eq!(pieces[3].head, 1);
    }

    #[test]
    fn many_queries_are_aligned() {
        assert_eq!(
            [0, 1, 63, 64, 130].map(queries_at_once),
            [1, 1, 63, 64, 128]
        );
    }
}
