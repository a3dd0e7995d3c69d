//! An exact assignment from any prices, along shortest augmenting paths (after R. Jonker and
//! A. Volgenant, Computing 38, 1987, with all free rows searching at once).

use pulp::Simd;

use super::auction::Auction;
use super::classes::Classes;
use super::ties::Ties;
use super::{FREE, scattered};
use crate::Cost;
use crate::scan::{Frontier, Scanner};

/// There are ties where fewer than one of so many free rows found a path.
const FEW: usize = 4;
/// Looking for paths along ties is worth it where more than one of so many free rows finds one.
const GAINFUL: usize = 8;
/// Differences that may be rounding, as a part of costs and prices.
const ROUNDING: f64 = 1.0 / (1u64 << 46) as f64;

/// A partial assignment in which every assigned row has a column that it prefers at the prices.
struct Matching {
    column_of: Vec<usize>,
    row_of: Vec<usize>,
    price: Vec<f64>,
}

/// Prices are refined where more than three of four rows prefer a column that another has,
const MANY: (usize, usize) = (3, 4);
/// until it is at most one of two,
const FEWER: (usize, usize) = (1, 2);
/// or more than 19 of 20 are left of those that there were before, so many times.
const GAIN: (usize, usize) = (19, 20);
const TRIALS: usize = 2;

/// The cheapest assignment, begun at the prices of an auction; the column of each row, and the prices that prove it but for
/// rounding.
#[inline(always)]
pub(super) fn assign<S: Simd>(
    simd: S,
    cost: &Cost,
    rows: &Classes,
    mut auction: Auction,
) -> (Vec<usize>, Vec<f64>) {
    let n = cost.rows();
    let mut scanner = Scanner::new(n);
    let (mut matching, mut free) = first_choices(simd, cost, &mut scanner, auction.price.clone());
    let (mut enough, mut trials) = (MANY, TRIALS);
    while enough.1 * free.len() > enough.0 * n {
        enough = FEWER;
        auction.refine(simd, cost);
        let next = first_choices(simd, cost, &mut scanner, auction.price.clone());
        let gains = GAIN.1 * next.1.len() < GAIN.0 * free.len();
        if next.1.len() < free.len() {
            (matching, free) = next;
        }
        trials -= usize::from(!gains);
        if trials == 0 {
            break;
        }
    }
    let mut search = Search {
        class_of: &rows.first,
        is_done: vec![false; n],
        ties: Ties::default(),
        frontier: Frontier::new(n),
        scanner,
        root_of: vec![FREE; n],
        settled: Vec::with_capacity(n),
        is_open: vec![false; n],
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
struct Search<'a> {
    /// The class of each row. Of equal rows, the first that is reached is the nearest: the others lead nowhere sooner.
    class_of: &'a [usize],
    /// The classes of which a row is done.
    is_done: Vec<bool>,
    ties: Ties,
    frontier: Frontier,
    scanner: Scanner,
    /// The free row in whose tree a row is.
    root_of: Vec<usize>,
    /// The columns whose distance is final, with that distance.
    settled: Vec<(usize, f64)>,
    /// The columns that no path along ties has come to.
    is_open: Vec<bool>,
}

impl Search<'_> {
    /// One phase: grows the forest until every free column is in it, or every tree has one; moves the
    /// prices so that all its edges are preferred; and flips one path in each tree that reached a free
    /// column. Trees share nothing, so all of these paths can be flipped.
    #[inline(always)]
    fn phase<S: Simd>(&mut self, simd: S, cost: &Cost, matching: &mut Matching, free: &[usize]) {
        self.frontier.clear();
        self.settled.clear();
        self.is_done.fill(false);
        for &i in free {
            self.root_of[i] = i;
            if std::mem::replace(&mut self.is_done[self.class_of[i]], true) {
                continue;
            }
            let row = cost.row(i);
            let least = self.scanner.preference(simd, row, &matching.price).least;
            self.frontier.relax(simd, row, &matching.price, -least, i);
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
            if std::mem::replace(&mut self.is_done[self.class_of[owner]], true) {
                continue;
            }
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
        if FEW * paths < free.len() && self.ties.are_worth_a_trial() {
            let found = self.match_ties(simd, cost, matching, free);
            self.ties.tried(GAINFUL * found > free.len() - paths);
        }
    }

    /// Where costs tie, one tree takes columns that others could have had. At the new prices rows of the forest prefer
    /// settled columns; this looks for paths from the free rows that are left, along edges that are preferred but for rounding, until
    /// there are no more that share nothing (as a phase of J. E. Hopcroft and R. M. Karp, SIAM Journal on Computing 2, 1973).
    #[inline(always)]
    fn match_ties<S: Simd>(
        &mut self,
        simd: S,
        cost: &Cost,
        matching: &mut Matching,
        free: &[usize],
    ) -> usize {
        let mut paths = 0;
        self.is_done.fill(false);
        for (column, _) in &self.settled {
            self.is_open[*column] = true;
        }
        // The rows of a path, each with the column that it was reached from and the place where its own candidates begin.
        let mut path: Vec<(usize, usize, usize)> = Vec::new();
        let mut candidates = Vec::new();
        for &root in free {
            if matching.column_of[root] != FREE {
                continue;
            }
            let mut next = Some((root, FREE));
            loop {
                if let Some((i, from)) = next.take() {
                    path.push((i, from, candidates.len()));
                    if !self.is_done[self.class_of[i]] {
                        self.preferred(simd, cost.row(i), from, matching, &mut candidates);
                    }
                }
                let Some(&(i, _, start)) = path.last() else {
                    break;
                };
                if candidates.len() == start {
                    // No column is left open that it prefers, nor that its equals prefer.
                    self.is_done[self.class_of[i]] = true;
                    path.pop();
                    continue;
                }
                let Some(mut column) = candidates.pop() else {
                    break;
                };
                if !std::mem::replace(&mut self.is_open[column], false) {
                    continue;
                }
                if matching.row_of[column] != FREE {
                    next = Some((matching.row_of[column], column));
                    continue;
                }
                for (i, from, _) in path.drain(..).rev() {
                    (matching.row_of[column], matching.column_of[i]) = (i, column);
                    column = from;
                }
                candidates.clear();
                paths += 1;
                break;
            }
        }
        for (column, _) in &self.settled {
            self.is_open[*column] = false;
        }
        paths
    }

    /// Adds the open columns that a row prefers, as it does the one that it was reached from: a free one at the end, if there is any.
    #[inline(always)]
    fn preferred<S: Simd>(
        &mut self,
        simd: S,
        row: &[f64],
        from: usize,
        matching: &Matching,
        candidates: &mut Vec<usize>,
    ) {
        let price = &matching.price;
        let known = match from {
            FREE => self.scanner.preference(simd, row, price).first,
            from => from,
        };
        let bound =
            (row[known] - price[known]) + ROUNDING * (row[known].abs() + price[known].abs());
        let start = candidates.len();
        let is_open = &self.is_open;
        self.scanner.near(simd, row, price, bound, |j| {
            if is_open[j] {
                candidates.push(j);
            }
        });
        let is_free = |j: &usize| matching.row_of[*j] == FREE;
        if let Some(k) = candidates[start..].iter().position(is_free) {
            let last = candidates.len() - 1;
            candidates.swap(start + k, last);
        }
    }
}
