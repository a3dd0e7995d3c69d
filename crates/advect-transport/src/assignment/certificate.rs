//! A proof that an assignment is the cheapest, in spite of rounding.
//!
//! An assignment can be improved only along a cycle: row `i` takes the column of row `k`, and so on round. Its cost is the
//! sum of `(c[i][π(k)] − v[π(k)]) − (c[i][π(i)] − v[π(i)])`, the prices cancel. No term is below 0 by more than rows miss
//! their preference, so all terms of an improving cycle are small. Where the few edges that are so near close no
//! cycle, there is none: the assignment is the cheapest, and the only one. Where they do, there are ties, or differences
//! as small as rounding; among these edges, [`cycles`] are searched in exact numbers.

use pulp::Simd;

use super::FREE;
use super::classes::Classes;
use super::cycles::{self, Edges, Found};
use crate::Cost;
use crate::scan::Scanner;

/// The smallest difference that is certain in spite of rounding, as a part of a row's numbers.
const ROUNDING: f64 = 1.0 / (1u64 << 50) as f64;
/// So many near edges a row are searched for cycles, or if that is more, one of so many edges.
const EDGES: usize = 8;
const PART: usize = 8;
/// Each time that cycles improve the assignment, other edges may be near.
const ROUNDS: usize = 8;

/// The costs, and what is left of them beyond potentials, which prices are of then.
#[derive(Clone, Copy)]
pub(super) struct Costs<'a> {
    pub(super) cost: &'a Cost,
    pub(super) rests: Option<&'a Cost>,
}

/// Improves an assignment that is nearly the cheapest at some prices of the columns. Whether it is surely the cheapest then.
#[inline(always)]
pub(super) fn improve<S: Simd>(
    simd: S,
    costs: Costs<'_>,
    classes: (&Classes, &Classes),
    column_of: &mut [usize],
    price: &[f64],
) -> bool {
    for _ in 0..ROUNDS {
        let Some(edges) = near_edges(simd, costs, classes, column_of, price) else {
            return false;
        };
        match cycles::improve(costs.cost, column_of, edges) {
            Found::Nothing => return true,
            Found::Better => continue,
            Found::Unknown => return false,
        }
    }
    false
}

/// The edges that an improving cycle can take, or others that lead the same way at the same cost: of equal rows only the first has edges of its own,
/// and each other one an edge to the first one's column; of equal columns only the first is the end of edges, and from each one's row an edge leads
/// to the next. None where the rows miss their preferences by more than rounding explains, or where there are too many edges.
#[inline(always)]
fn near_edges<S: Simd>(
    simd: S,
    Costs { cost, rests }: Costs<'_>,
    (rows, columns): (&Classes, &Classes),
    column_of: &[usize],
    price: &[f64],
) -> Option<Edges> {
    let n = cost.rows();
    // Rests are sums of two numbers of which the smaller is lost here: a rounding of prices, and one of a rounding of costs. (Prices stay within a
    // few times the largest cost.)
    let rounding = rests.map_or(0.0, |_| {
        let highest = price.iter().fold(0.0, |a: f64, v| a.max(v.abs()));
        ROUNDING * highest + ROUNDING * ROUNDING * cost.largest()
    });
    let cost = rests.unwrap_or(cost);
    let (mut largest, mut matched) = (0f64, Vec::with_capacity(n));
    let mut highest = vec![f64::NEG_INFINITY; n];
    for (i, &j) in column_of.iter().enumerate() {
        matched.push(cost.row(i)[j] - price[j]);
        largest = largest.max(matched[i].abs());
        let highest = &mut highest[rows.first[i]];
        *highest = highest.max(matched[i]);
    }
    // More than all rows together can miss, unless the assignment is a bad one.
    let near = 64.0 * n as f64 * (ROUNDING * largest + rounding);
    let most = (EDGES * n).max(n * n / PART);
    let mut scanner = Scanner::new(n);
    let (mut missed, mut least) = (0.0, vec![0.0; n]);
    let next = columns.next();
    let mut edges = Edges::default();
    // The last row with an edge to a column.
    let mut seen = vec![FREE; n];
    for (i, matched) in matched.into_iter().enumerate() {
        let (own, first) = (column_of[i], rows.first[i]);
        if next[own] != own {
            edges.push(next[own]);
        }
        if first == i {
            seen[columns.first[own]] = i;
            let visit = |j: usize| {
                let j = columns.first[j];
                if seen[j] != i {
                    seen[j] = i;
                    edges.push(j);
                }
            };
            least[i] = scanner.near(simd, cost.row(i), price, highest[i] + near, visit);
        } else {
            edges.push(column_of[first]);
        }
        let least = least[first];
        missed += (matched - least) + ROUNDING * (matched.abs() + least.abs()) + rounding;
        if missed > 0.5 * near || edges.count() > most {
            return None;
        }
        edges.end_row();
    }
    Some(edges)
}
