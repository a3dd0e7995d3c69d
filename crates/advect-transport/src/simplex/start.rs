//! Trees to start from.

use advect_kernels::dispatch;
use pulp::{Simd, WithSimd};

use super::tree::{NONE, Tree};
use crate::Cost;
use crate::scan::{Frontier, Scanner};

/// Rows take what they need from the cheapest columns that have something left, one row after the other. Costs count from
/// the least of their column.
pub(super) fn greedy(cost: &Cost, supplies: &[u64], demands: &[u64]) -> Tree {
    dispatch(Greedy {
        cost,
        supplies,
        demands,
    })
}

struct Greedy<'a> {
    cost: &'a Cost,
    supplies: &'a [u64],
    demands: &'a [u64],
}

impl WithSimd for Greedy<'_> {
    type Output = Tree;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Tree {
        let (rows, columns) = (self.cost.rows(), self.cost.columns());
        let mut tree = Partial {
            parent: vec![NONE; rows + columns],
            flow: vec![0; rows + columns],
        };
        let mut left = self.demands.to_vec();
        let mut price = self.cost.row(0).to_vec();
        for i in 1..rows {
            for (v, c) in price.iter_mut().zip(self.cost.row(i)) {
                *v = v.min(*c);
            }
        }
        // A column without any finite cost.
        price.iter_mut().for_each(|v| *v = v.min(f64::MAX));
        let mut scanner = Scanner::new(columns);
        let last = rows - 1;
        for (i, supply) in self.supplies[..last].iter().enumerate() {
            let mut supply = *supply;
            loop {
                let preferred = scanner.preference(simd, self.cost.row(i), &price);
                let j = match preferred.least < f64::INFINITY {
                    true => preferred.first,
                    // Only forbidden pairs are left.
                    false => (price.iter().position(|v| *v > f64::NEG_INFINITY)).unwrap_or(0),
                };
                if supply <= left[j] {
                    // The row goes, also where both are empty now: the column is then given to another row, without flow.
                    left[j] -= supply;
                    tree.put(i, rows + j, supply);
                    break;
                }
                supply -= left[j];
                tree.put(rows + j, i, left[j]);
                price[j] = f64::NEG_INFINITY;
            }
        }
        for j in 0..columns {
            if price[j] > f64::NEG_INFINITY {
                tree.put(rows + j, last, left[j]);
            }
        }
        Tree::new(rows, last, tree.parent, tree.flow)
    }
}

struct Partial {
    parent: Vec<usize>,
    flow: Vec<u64>,
}

impl Partial {
    fn put(&mut self, node: usize, parent: usize, flow: u64) {
        (self.parent[node], self.flow[node]) = (parent, flow);
    }
}

/// The tree of an assignment: shortest paths from the first row, at prices at which the assignment is nearly optimal.
pub(super) fn from_assignment(cost: &Cost, column_of: &[usize], price: &[f64]) -> Tree {
    dispatch(FromAssignment {
        cost,
        column_of,
        price,
    })
}

struct FromAssignment<'a> {
    cost: &'a Cost,
    column_of: &'a [usize],
    price: &'a [f64],
}

impl WithSimd for FromAssignment<'_> {
    type Output = Tree;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Tree {
        let FromAssignment {
            cost,
            column_of,
            price,
        } = self;
        let n = cost.rows();
        let mut row_of = vec![0; n];
        for (i, &j) in column_of.iter().enumerate() {
            row_of[j] = i;
        }
        let mut tree = Partial {
            parent: vec![NONE; 2 * n],
            flow: vec![0; 2 * n],
        };
        let mut frontier = Frontier::new(n);
        frontier.clear();
        let offset = |i: usize| -(cost.row(i)[column_of[i]] - price[column_of[i]]);
        frontier.relax(simd, cost.row(0), price, offset(0), 0);
        for _ in 0..n {
            let (j, distance) = frontier.pop();
            let i = row_of[j];
            if i == 0 {
                tree.put(n + j, 0, 1);
                continue;
            }
            tree.put(n + j, frontier.through(j), 0);
            tree.put(i, n + j, 1);
            frontier.relax(simd, cost.row(i), price, distance + offset(i), i);
        }
        Tree::new(n, 0, tree.parent, tree.flow)
    }
}
