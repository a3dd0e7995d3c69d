//! Improving cycles among few edges, found in exact numbers.

use std::collections::VecDeque;
use std::ops::Range;

use super::FREE;
use super::components::components;
use crate::simplex::number::{Fixed, Number, precision_of};
use crate::{Cost, work};

/// A search looks at so many rows for each row at most.
const LIMIT: usize = 64;

/// An edge of a search that begins there.
const NONE: usize = usize::MAX;

/// Edges that improving cycles can take, from rows to columns.
#[derive(Default)]
pub(super) struct Edges {
    /// The edges of row `i` are those from the end of the row before to `ends[i]`.
    ends: Vec<usize>,
    columns: Vec<u32>,
}

/// What came of a search.
pub(super) enum Found {
    /// No cycle improves the assignment.
    Nothing,
    /// Cycles did; none is left among the edges.
    Better,
    /// Unknown: costs of many magnitudes, or a long search.
    Unknown,
}

/// Improves an assignment along cycles of edges until there is none.
pub(super) fn improve(cost: &Cost, column_of: &mut [usize], edges: Edges) -> Found {
    let n = column_of.len();
    let mut row_of = vec![FREE; n];
    let invert = |row_of: &mut Vec<usize>, column_of: &[usize]| {
        (column_of.iter().enumerate()).for_each(|(i, j)| row_of[*j] = i);
    };
    invert(&mut row_of, column_of);
    let parts = edges.components(&row_of);
    if parts.1 == n {
        return Found::Nothing;
    }
    let Some(mut search) = Search::new(cost, column_of, edges) else {
        return Found::Unknown;
    };
    let (mut parts, mut found) = (parts.0, Found::Nothing);
    while let Some(is_improved) = search.run(column_of, &row_of, &parts) {
        if !is_improved {
            return found;
        }
        found = Found::Better;
        invert(&mut row_of, column_of);
        parts = search.edges.components(&row_of).0;
    }
    Found::Unknown
}

impl Edges {
    /// Adds an edge of the present row.
    pub(super) fn push(&mut self, column: usize) {
        self.columns.push(column as u32);
    }

    /// Goes on to the next row.
    pub(super) fn end_row(&mut self) {
        self.ends.push(self.columns.len());
    }

    pub(super) fn count(&self) -> usize {
        self.columns.len()
    }

    fn of(&self, row: usize) -> Range<usize> {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        start..self.ends[row]
    }

    /// Which rows can exchange columns with each other, and the number of such parts.
    fn components(&self, row_of: &[usize]) -> (Vec<usize>, usize) {
        let head = |edge: usize| row_of[self.columns[edge] as usize];
        components(row_of.len(), |i| self.of(i), head)
    }
}

/// Shortest paths between rows: from row i to row k it costs what i pays more for the column of k than for its own. A cycle
/// of negative length improves the assignment (R. Bellman, 1958; the first cycle among the last steps to each row has a negative length).
struct Search {
    edges: Edges,
    /// The costs of the edges, and of the rows' own columns.
    costs: Vec<Fixed<2>>,
    own: Vec<Fixed<2>>,
    distance: Vec<Fixed<2>>,
    /// The last edge of the path to each row, and the row it comes from.
    last: Vec<(usize, usize)>,
}

impl Search {
    /// None for numbers that are too long.
    fn new(cost: &Cost, column_of: &[usize], edges: Edges) -> Option<Self> {
        let n = column_of.len();
        let own = |i: usize| cost.row(i)[column_of[i]];
        let with_edges = (0..n).filter(|i| !edges.of(*i).is_empty());
        let values = with_edges.flat_map(|i| {
            let row = cost.row(i);
            let columns = edges.columns[edges.of(i)].iter();
            columns.map(|j| row[*j as usize]).chain([own(i)])
        });
        let (unit, bits) = precision_of(values, 4 * n);
        if bits > 128 {
            return None;
        }
        let mut costs = Vec::with_capacity(edges.columns.len());
        let mut exact_own = vec![Fixed::of(0.0, unit); n];
        for (i, exact_own) in exact_own.iter_mut().enumerate() {
            let (row, columns) = (cost.row(i), &edges.columns[edges.of(i)]);
            costs.extend(columns.iter().map(|j| Fixed::of(row[*j as usize], unit)));
            if !columns.is_empty() {
                *exact_own = Fixed::of(own(i), unit);
            }
        }
        Some(Search {
            edges,
            costs,
            own: exact_own,
            distance: vec![Fixed::of(0.0, unit); n],
            last: vec![(NONE, NONE); n],
        })
    }

    /// Looks for improving cycles and exchanges columns along those that it finds first. Whether there were any; none if the search took
    /// too long.
    fn run(&mut self, column_of: &mut [usize], row_of: &[usize], parts: &[usize]) -> Option<bool> {
        let n = column_of.len();
        self.last.fill((NONE, NONE));
        let (mut reached, mut waits) = (vec![false; n], vec![false; n]);
        // Each part is searched from its first row.
        let mut begun = vec![false; n];
        let mut queue = VecDeque::new();
        for i in 0..n {
            if !self.edges.of(i).is_empty() && !std::mem::replace(&mut begun[parts[i]], true) {
                self.distance[i] = self.own[i].minus(self.own[i]);
                (reached[i], waits[i]) = (true, true);
                queue.push_back(i);
            }
        }
        let mut looked_at = 0;
        while let Some(i) = queue.pop_front() {
            waits[i] = false;
            let before = self.distance[i].minus(self.own[i]);
            work::count(self.edges.of(i).len());
            for edge in self.edges.of(i) {
                let k = row_of[self.edges.columns[edge] as usize];
                if parts[k] != parts[i] {
                    continue;
                }
                let distance = before.plus(self.costs[edge]);
                if reached[k] && !distance.minus(self.distance[k]).is_negative() {
                    continue;
                }
                (self.distance[k], self.last[k], reached[k]) = (distance, (edge, i), true);
                if !std::mem::replace(&mut waits[k], true) {
                    queue.push_back(k);
                }
            }
            looked_at += 1;
            if looked_at % n == 0 && self.exchange(column_of) {
                return Some(true);
            }
            if looked_at > LIMIT * n {
                return None;
            }
        }
        Some(false)
    }

    /// Exchanges columns along all cycles among the last edges. Whether there were any.
    fn exchange(&mut self, column_of: &mut [usize]) -> bool {
        let n = column_of.len();
        let mut is_any = false;
        // The walk that came to a row.
        let mut walk_of = vec![NONE; n];
        for start in 0..n {
            let mut k = start;
            while walk_of[k] == NONE && self.last[k].1 != NONE {
                walk_of[k] = start;
                k = self.last[k].1;
            }
            if walk_of[k] != start {
                continue;
            }
            // The walk came back to where it was: row i takes the column of row k, and so on round.
            let first = k;
            is_any = true;
            loop {
                let (edge, i) = self.last[k];
                let given_up =
                    std::mem::replace(&mut column_of[i], self.edges.columns[edge] as usize);
                self.edges.columns[edge] = given_up as u32;
                std::mem::swap(&mut self.costs[edge], &mut self.own[i]);
                k = i;
                if k == first {
                    break;
                }
            }
        }
        is_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The least sum of costs of rows from `i` on.
    fn least(cost: &Cost, i: usize, used: &mut Vec<bool>) -> f64 {
        let mut sum = if i == used.len() { 0.0 } else { f64::INFINITY };
        for j in (0..used.len()).filter(|_| i < cost.rows()) {
            if !std::mem::replace(&mut used[j], true) {
                sum = sum.min(cost.row(i)[j] + least(cost, i + 1, used));
                used[j] = false;
            }
        }
        sum
    }

    proptest! {
        #[test]
        fn no_cycle_is_left(n in 1usize..7, levels in 1u32..20, seed in any::<u64>()) {
            let values = advect_core::Generator::from_seed(seed).values(&rand_distr::StandardUniform, n * n).unwrap();
            let whole = |v: f64| (f64::from(levels) * v).floor();
            let cost = Cost::new(n, n, values.into_iter().map(whole).collect()).unwrap();
            let mut column_of: Vec<usize> = (0..n).collect();
            let mut edges = Edges::default();
            for i in 0..n {
                (0..n).filter(|j| *j != i).for_each(|j| edges.push(j));
                edges.end_row();
            }
            let found = improve(&cost, &mut column_of, edges);
            let total = |columns: &[usize]| columns.iter().enumerate().map(|(i, j)| cost.row(i)[*j]).sum::<f64>();
            let best = least(&cost, 0, &mut vec![false; n]);
            prop_assert_eq!(total(&column_of), best);
            let was_best = total(&(0..n).collect::<Vec<_>>()) == best;
            prop_assert_eq!(matches!(found, Found::Nothing), was_best);
            prop_assert_eq!(matches!(found, Found::Better), !was_best);
        }
    }
}
