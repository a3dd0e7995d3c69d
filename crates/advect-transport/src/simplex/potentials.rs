//! The potentials `f_i + g_j = c_ij` on the edges of a tree, and the search for an edge where they are dearer than the cost.

use advect_kernels::dispatch;
use pulp::{Simd, WithSimd};

use super::number::Number;
use super::tree::{NONE, Tree};
use crate::Cost;
use crate::scan::Scanner;
use crate::sums::reduced;
use crate::work;

/// The difference that rounding exact numbers to floats can hide, as a part of the potentials.
const ROUNDING: f64 = 1.0 / (1u64 << 47) as f64;
/// The same where each potential is a sum of two floats: its square, with a margin.
const ROUNDING_OF_SUMS: f64 = 16.0 * ROUNDING * ROUNDING;

/// The costs of a problem, with a number for forbidden pairs that no sum of others reaches.
#[derive(Clone, Copy)]
pub(super) struct Costs<'a> {
    pub(super) matrix: &'a Cost,
    pub(super) forbidden: f64,
}

impl Costs<'_> {
    fn at(&self, (i, j): (usize, usize)) -> f64 {
        self.matrix.row(i)[j].min(self.forbidden)
    }
}

/// Potentials of a tree's nodes.
pub(super) struct Potentials<P> {
    values: Vec<P>,
    unit: i32,
    /// The same as floats.
    rows: Vec<f64>,
    columns: Vec<f64>,
    /// What rounding to floats leaves, as floats.
    rows_rest: Vec<f64>,
    columns_rest: Vec<f64>,
    /// A bound of the columns' magnitudes.
    largest: f64,
    scanner: Scanner,
    /// The columns of a row whose reduced costs floats don't tell from 0 or less, with these as sums of two floats tell them.
    near: Vec<(usize, f64)>,
    /// The row that is looked at next.
    next: usize,
}

/// An edge that the basis should have, and by how much it is cheaper than the potentials say: a negative number.
pub(super) struct Entering<P> {
    pub(super) row: usize,
    pub(super) column: usize,
    reduced: P,
}

impl<P: Number> Potentials<P> {
    /// The potentials of a tree; that of the root is 0.
    pub(super) fn new(costs: Costs<'_>, tree: &Tree, unit: i32) -> Self {
        let columns = costs.matrix.columns();
        let mut potentials = Potentials {
            values: vec![P::of(0.0, unit); tree.parent.len()],
            unit,
            rows: vec![0.0; tree.rows],
            columns: vec![0.0; columns],
            rows_rest: vec![0.0; tree.rows],
            columns_rest: vec![0.0; columns],
            largest: 0.0,
            scanner: Scanner::new(columns),
            near: Vec::new(),
            next: 0,
        };
        potentials.renew(costs, tree);
        potentials
    }

    /// Computes all potentials anew.
    pub(super) fn renew(&mut self, costs: Costs<'_>, tree: &Tree) {
        tree.descend(tree.root, |node, parent| {
            let value = match parent {
                NONE => P::of(0.0, self.unit),
                _ => {
                    let cost = P::of(costs.at(tree.edge(node)), self.unit);
                    cost.minus(self.values[parent])
                }
            };
            self.set(tree.rows, node, value);
        });
    }

    fn set(&mut self, rows: usize, node: usize, value: P) {
        self.values[node] = value;
        let float = value.approximate(self.unit);
        match node.checked_sub(rows) {
            None => self.rows[node] = float,
            Some(column) => {
                self.columns[column] = float;
                self.largest = self.largest.max(float.abs());
            }
        }
        if P::ROUNDING.is_none() {
            let rest = value.rest(float, self.unit);
            match node.checked_sub(rows) {
                None => self.rows_rest[node] = rest,
                Some(column) => self.columns_rest[column] = rest,
            }
        }
    }

    /// Follows an exchange that brought in an edge, whose lower end is `top` now.
    pub(super) fn follow(&mut self, tree: &Tree, entering: &Entering<P>, top: usize) {
        let top_is_row = top < tree.rows;
        tree.descend(top, |node, _| {
            let value = match (node < tree.rows) == top_is_row {
                true => self.values[node].plus(entering.reduced),
                false => self.values[node].minus(entering.reduced),
            };
            self.set(tree.rows, node, value);
        });
    }

    /// An edge whose reduced cost `c_ij − f_i − g_j` is negative: the least of the next row that has any; none if all are
    /// at least 0, which proves that the tree is optimal if the numbers are exact.
    pub(super) fn entering(&mut self, costs: Costs<'_>) -> Option<Entering<P>> {
        dispatch(Search {
            potentials: self,
            costs,
        })
    }

    fn enter(&self, costs: Costs<'_>, (row, column): (usize, usize)) -> Entering<P> {
        let cost = P::of(costs.matrix.row(row)[column], self.unit);
        let potentials = (self.values[row], self.values[self.rows.len() + column]);
        Entering {
            row,
            column,
            reduced: cost.minus(potentials.0).minus(potentials.1),
        }
    }

    /// An edge of a row whose reduced cost is negative, if one of the near ones is: the cheapest by sums of two floats, or else, where
    /// these don't tell, by exact numbers.
    fn exactly(&mut self, costs: Costs<'_>, i: usize) -> Option<Entering<P>> {
        let row = costs.matrix.row(i);
        let potential = (self.rows[i], self.rows_rest[i]);
        work::count(self.near.len());
        let mut least = (f64::INFINITY, NONE);
        for (j, r) in &mut self.near {
            *r = reduced(
                row[*j],
                potential,
                (self.columns[*j], self.columns_rest[*j]),
            );
            least = if *r < least.0 { (*r, *j) } else { least };
        }
        let doubt = ROUNDING_OF_SUMS * (potential.0.abs() + self.largest) + f64::MIN_POSITIVE;
        if least.0 > doubt {
            return None;
        }
        if least.0 < -doubt {
            return Some(self.enter(costs, (i, least.1)));
        }
        let in_doubt = self.near.iter().filter(|(_, r)| *r <= doubt);
        let edges = in_doubt.map(|(j, _)| self.enter(costs, (i, *j)));
        let negative = edges.filter(|edge| edge.reduced.is_negative());
        let value = |edge: &Entering<P>| edge.reduced.approximate(self.unit);
        negative.min_by(|a, b| value(a).total_cmp(&value(b)))
    }

    /// The potentials as floats: those of the rows, and those of the columns.
    pub(super) fn into_floats(self) -> (Vec<f64>, Vec<f64>) {
        (self.rows, self.columns)
    }
}

struct Search<'a, P> {
    potentials: &'a mut Potentials<P>,
    costs: Costs<'a>,
}

impl<P: Number> WithSimd for Search<'_, P> {
    type Output = Option<Entering<P>>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let Search { potentials, costs } = self;
        let rows = potentials.rows.len();
        for _ in 0..rows {
            let i = potentials.next;
            potentials.next = if i + 1 == rows { 0 } else { i + 1 };
            let row = costs.matrix.row(i);
            let preference = potentials
                .scanner
                .preference(simd, row, &potentials.columns);
            let (f, j) = (potentials.rows[i], preference.first);
            match P::ROUNDING {
                Some(part) => {
                    let rounding = part * (f.abs() + potentials.columns[j].abs());
                    if preference.least - f < -rounding {
                        return Some(potentials.enter(costs, (i, j)));
                    }
                }
                None => {
                    let rounding = ROUNDING * (f.abs() + potentials.largest) + f64::MIN_POSITIVE;
                    if preference.least <= f + rounding {
                        let Potentials { scanner, near, .. } = &mut *potentials;
                        near.clear();
                        near.push((j, preference.least));
                        if preference.next <= f + rounding {
                            scanner.others_near(f + rounding, |j| near.push((j, 0.0)));
                        }
                        let found = potentials.exactly(costs, i);
                        if found.is_some() {
                            return found;
                        }
                    }
                }
            }
        }
        None
    }
}
