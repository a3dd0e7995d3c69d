//! Prices by auction with ε-scaling (D. P. Bertsekas, The auction algorithm: a distributed relaxation
//! method for the assignment problem, Annals of Operations Research 14, 1988).

use std::collections::VecDeque;

use pulp::Simd;

use super::{FREE, scattered};
use crate::Cost;
use crate::scan::Scanner;

/// The first ε is this fraction of the range of costs, the last one the n-th part of another; each is a
/// fraction of the one before. Found by timing on point clouds of 256 to 2,000 points.
const FIRST: f64 = 1.0 / 8.0;
const LAST: f64 = 1.0 / 5.0;
const FACTOR: f64 = 1.0 / 5.0;

/// The range that counts is at most this multiple of a small cost: beyond, costs forbid pairs rather than order them.
const RANGE: f64 = 1e4;
/// The small cost: one of so many.
const SMALL: usize = 50;
/// The number of costs that are sampled for it.
const SAMPLE: usize = 256;

/// Prices of columns, and the ε at which they were found.
pub(super) struct Auction {
    pub(super) price: Vec<f64>,
    epsilon: f64,
    scanner: Scanner,
}

impl Auction {
    /// Prices at which most rows prefer different columns.
    #[inline(always)]
    pub(super) fn new<S: Simd>(simd: S, cost: &Cost) -> Self {
        let n = cost.rows();
        // Of each column, so that the loop vectorises.
        let (mut price, mut highest) = (cost.row(0).to_vec(), cost.row(0).to_vec());
        for i in 1..n {
            for ((v, h), &c) in price.iter_mut().zip(&mut highest).zip(cost.row(i)) {
                *v = if c < *v { c } else { *v };
                *h = if c > *h { c } else { *h };
            }
        }
        let highest = highest.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let range = highest - price.iter().copied().fold(f64::INFINITY, f64::min);
        let range = match small(cost, &price) {
            0.0 => range,
            small => range.min(RANGE * small),
        };
        let last = LAST * range / n as f64;
        let mut auction = Auction {
            price,
            epsilon: FIRST * range,
            scanner: Scanner::new(n),
        };
        while auction.epsilon > 0.0 {
            auction.round(simd, cost);
            if auction.epsilon <= last {
                break;
            }
            auction.epsilon = (FACTOR * auction.epsilon).max(last);
        }
        auction
    }

    /// One more round, with a smaller ε.
    #[inline(always)]
    pub(super) fn refine<S: Simd>(&mut self, simd: S, cost: &Cost) {
        self.epsilon *= FACTOR;
        self.round(simd, cost);
    }

    /// Free rows bid for the column that they prefer, so much that they would still be content if it were ε
    /// dearer, and evict its owner. The round ends when few rows are free: the last of them cost most, and
    /// nothing depends on them here.
    #[inline(always)]
    fn round<S: Simd>(&mut self, simd: S, cost: &Cost) {
        let n = cost.rows();
        let mut owner = vec![FREE; n];
        let mut free: VecDeque<usize> = scattered(n).collect();
        // Where ε is below the rounding of the prices, bids may change nothing: their number is bounded.
        for _ in 0..50 * n {
            if free.len() <= n / 50 {
                break;
            }
            let Some(i) = free.pop_front() else { break };
            let preference = self.scanner.preference(simd, cost.row(i), &self.price);
            if preference.next.is_finite() {
                self.price[preference.first] -= preference.next - preference.least + self.epsilon;
            }
            let evicted = std::mem::replace(&mut owner[preference.first], i);
            if evicted != FREE {
                free.push_back(evicted);
            }
        }
    }
}

/// A small one among the costs beyond the least of their columns; 0 without any.
fn small(cost: &Cost, least: &[f64]) -> f64 {
    let n = cost.rows();
    let place = |k: usize| (k.wrapping_mul(7919) % n, k.wrapping_mul(104_729) % n);
    let costs = (0..SAMPLE).map(|k| {
        let (i, j) = place(k);
        cost.row(i)[j] - least[j]
    });
    let mut costs: Vec<f64> = costs.filter(|c| *c > 0.0).collect();
    match costs.len() {
        0 => 0.0,
        count => {
            *costs
                .select_nth_unstable_by(count / SMALL, f64::total_cmp)
                .1
        }
    }
}
