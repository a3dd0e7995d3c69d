//! An exact assignment from any prices, along shortest augmenting paths (after R. Jonker and
//! A. Volgenant, Computing 38, 1987, with all free rows searching at once).

use pulp::Simd;

use super::auction::Auction;
use super::{FREE, scattered};
use crate::Cost;
use crate::scan::{Frontier, Scanner};

/// There are ties where fewer than one of so many free rows found a path.
const FEW: usize = 4;
/// Differences that may be rounding, as a part of costs and prices.
const ROUNDING: f64 = 1.0 / (1u64 << 46) as f64;

/// A partial assignment in which every assigned row has a column that it prefers at the prices.
struct Matching {
    column_of: Vec<usize>,
    row_of: Vec<usize>,
    price: Vec<f64>,
}

/// Prices are refined while more than three of four rows prefer a column that another has.
const MANY: (usize, usize) = (3, 4);
/// They are refined no more once that leaves more than so many of ten rows without a column.
const GAIN: usize = 9;

/// The cheapest assignment, begun at the prices of an auction; the column of each row, and the prices that prove it but for
/// rounding.
#[inline(always)]
pub(super) fn assign<S: Simd>(
    simd: S,
    cost: &Cost,
    mut auction: Auction,
) -> (Vec<usize>, Vec<f64>) {
    let n = cost.rows();
    let mut scanner = Scanner::new(n);
    let (mut matching, mut free) = first_choices(simd, cost, &mut scanner, auction.price.clone());
    while MANY.1 * free.len() > MANY.0 * n {
        auction.refine(simd, cost);
        let next = first_choices(simd, cost, &mut scanner, auction.price.clone());
        let gains = 10 * next.1.len() < GAIN * free.len();
        if next.1.len() < free.len() {
            (matching, free) = next;
        }
        if !gains {
            break;
        }
    }
    let mut search = Search {
        frontier: Frontier::new(n),
        scanner,
        root_of: vec![FREE; n],
        settled: Vec::with_capacity(n),
    };
    while !free.is_empty() {
        search.phase(simd, cost, &mut matching, &free);
        free.retain(|&i| matching.column_of[i] == FREE);
    }
    (matching.column_of, matching.price)
}

/// Gives each row the column that it prefers, if that is free; and the rows that got none.
#[inline(always)]
fn first_choices<S: Simd>(
    simd: S,
    cost: &Cost,
    scanner: &mut Scanner,
    price: Vec<f64>,
) -> (Matching, Vec<usize>) {
    let n = cost.rows();
    let mut matching = Matching {
        column_of: vec![FREE; n],
        row_of: vec![FREE; n],
        price,
    };
    let mut free = Vec::new();
    for i in scattered(n) {
        let first = scanner.preference(simd, cost.row(i), &matching.price).first;
        if matching.row_of[first] == FREE {
            (matching.row_of[first], matching.column_of[i]) = (i, first);
        } else {
            free.push(i);
        }
    }
    (matching, free)
}

/// A search for shortest paths from all free rows at once: a forest with a tree for each free row.
struct Search {
    frontier: Frontier,
    scanner: Scanner,
    /// The free row in whose tree a row is.
    root_of: Vec<usize>,
    /// The columns whose distance is final, with that distance.
    settled: Vec<(usize, f64)>,
}

impl Search {
    /// One phase: grows the forest until every free column is in it, or every tree has one; moves the
    /// prices so that all its edges are preferred; and flips one path in each tree that reached a free
    /// column. Trees share nothing, so all of these paths can be flipped.
    #[inline(always)]
    fn phase<S: Simd>(&mut self, simd: S, cost: &Cost, matching: &mut Matching, free: &[usize]) {
        self.frontier.clear();
        self.settled.clear();
        for &i in free {
            let row = cost.row(i);
            let least = self.scanner.preference(simd, row, &matching.price).least;
            self.frontier.relax(simd, row, &matching.price, -least, i);
            self.root_of[i] = i;
        }
        let mut ends: Vec<usize> = Vec::new();
        let mut free_columns = 0;
        let mut satisfied = vec![false; cost.rows()];
        let mut reached = 0.0;
        while free_columns < free.len() && ends.len() < free.len() {
            let (column, distance) = self.frontier.pop();
            self.settled.push((column, distance));
            reached = distance;
            let root = self.root_of[self.frontier.through(column)];
            let owner = matching.row_of[column];
            if owner == FREE {
                free_columns += 1;
                if !std::mem::replace(&mut satisfied[root], true) {
                    ends.push(column);
                }
                continue;
            }
            self.root_of[owner] = root;
            let row = cost.row(owner);
            let offset = distance - (row[column] - matching.price[column]);
            self.frontier
                .relax(simd, row, &matching.price, offset, owner);
        }
        for &(column, distance) in &self.settled {
            matching.price[column] += distance - reached;
        }
        let paths = ends.len();
        for end in ends {
            let mut column = end;
            // Each row on the path takes the column it was reached from, and passes on its own.
            while column != FREE {
                let row = self.frontier.through(column);
                matching.row_of[column] = row;
                std::mem::swap(&mut matching.column_of[row], &mut column);
            }
        }
        if FEW * paths < free.len() {
            self.match_ties(cost, matching, free);
        }
    }

    /// Where costs tie, one tree takes columns that others could have had. At the new prices rows of the forest prefer
    /// settled columns; this looks for paths from the free rows that are left, along edges that are preferred but for rounding.
    fn match_ties(&self, cost: &Cost, matching: &mut Matching, free: &[usize]) {
        let mut open: Vec<usize> = self.settled.iter().map(|(column, _)| *column).collect();
        open.sort_unstable();
        // The rows of a path, each with the column that it was reached from.
        let mut path: Vec<(usize, usize)> = Vec::new();
        for &root in free {
            if matching.column_of[root] != FREE {
                continue;
            }
            path.push((root, FREE));
            while let Some(&(i, from)) = path.last() {
                let row = cost.row(i);
                let reduced = |j: usize| row[j] - matching.price[j];
                let least = match from {
                    FREE => (self.settled.iter().map(|settled| reduced(settled.0)))
                        .fold(f64::INFINITY, f64::min),
                    from => reduced(from),
                };
                let preferred = open.iter().position(|&j| {
                    reduced(j) <= least + ROUNDING * (row[j].abs() + matching.price[j].abs())
                });
                let Some(k) = preferred else {
                    path.pop();
                    continue;
                };
                let mut column = open.swap_remove(k);
                if matching.row_of[column] != FREE {
                    path.push((matching.row_of[column], column));
                    continue;
                }
                for (i, from) in path.drain(..).rev() {
                    (matching.row_of[column], matching.column_of[i]) = (i, column);
                    column = from;
                }
            }
        }
    }
}
