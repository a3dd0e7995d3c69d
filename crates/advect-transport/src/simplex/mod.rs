//! The transport problem, `min Σ c_ij π_ij` over plans π ≥ 0 with given sums of rows and columns, by the network simplex
//! method (G. B. Dantzig, 1951; Ahuja, Magnanti and Orlin, Network Flows, 1993, chapter 11).
//!
//! Supplies and demands are whole numbers, so that flows are exact. A basis is a spanning [`tree`]; it defines potentials,
//! and is optimal if no edge costs less than they say. The search goes on in floats for as long as they tell edges
//! apart, and ends in fixed-point numbers that hold the costs and all their sums without error: what comes out is
//! optimal, not nearly so, for costs of any magnitudes.

pub(crate) mod number;
mod potentials;
mod start;
mod tree;

use advect_core::{Error, Result};

use crate::Cost;
use number::{Fixed, Number, Short, precision};
use potentials::{Costs, Potentials};
use tree::Tree;

/// The flows, `(row, column, flow)` with flow above 0, and the potentials of rows and columns.
pub(crate) struct Solution {
    pub(crate) flows: Vec<(usize, usize, u64)>,
    pub(crate) row_potentials: Vec<f64>,
    pub(crate) column_potentials: Vec<f64>,
}

/// The cheapest plan. Supplies and demands are above 0 and have one sum.
///
/// # Errors
/// [`Error::Range`] if every plan has a forbidden pair.
pub(crate) fn solve(cost: &Cost, supplies: &[u64], demands: &[u64]) -> Result<Solution> {
    let tree = start::greedy(cost, supplies, demands);
    Ok(optimal(cost, tree, usize::MAX)?.0)
}

/// Makes an assignment that is nearly the cheapest at given prices of the columns the cheapest, in `limit` exchanges of edges in exact numbers. Whether
/// these were enough.
///
/// # Errors
/// As [`solve`].
pub(crate) fn improve(
    cost: &Cost,
    column_of: &mut [usize],
    price: &[f64],
    limit: usize,
) -> Result<bool> {
    let tree = start::from_assignment(cost, column_of, price);
    let (solution, is_certain) = optimal(cost, tree, limit)?;
    for (i, j, _) in solution.flows {
        column_of[i] = j;
    }
    Ok(is_certain)
}

/// The plan after `limit` exchanges of edges in exact numbers, from a tree; and whether it is surely the cheapest.
fn optimal(cost: &Cost, mut tree: Tree, limit: usize) -> Result<(Solution, bool)> {
    let nodes = cost.rows() + cost.columns();
    let forbidden = match cost.has_forbidden() {
        true => above(2.0 * nodes as f64 * cost.largest()),
        false => f64::INFINITY,
    };
    let costs = Costs {
        matrix: cost,
        forbidden,
    };
    roughly(costs, &mut tree);
    let (unit, bits) = precision(cost, forbidden, 2 * nodes);
    let ((row_potentials, column_potentials), is_certain) = match bits {
        ..=53 => exactly::<Short>(costs, &mut tree, unit, limit),
        54..=128 => exactly::<Fixed<2>>(costs, &mut tree, unit, limit),
        129..=256 => exactly::<Fixed<4>>(costs, &mut tree, unit, limit),
        _ => exactly::<Fixed<36>>(costs, &mut tree, unit, limit),
    };
    let nodes = (0..tree.parent.len()).filter(|node| tree.flow[*node] > 0);
    let flow = |node: usize| {
        let (i, j) = tree.edge(node);
        (i, j, tree.flow[node])
    };
    let mut flows: Vec<_> = nodes.map(flow).collect();
    flows.sort_unstable();
    if flows
        .iter()
        .any(|(i, j, _)| cost.row(*i)[*j] == f64::INFINITY)
    {
        let given = "a cost without a plan that avoids the forbidden pairs, those that cost ∞";
        return Err(Error::range("cost", given, "a cost with such a plan"));
    }
    let solution = Solution {
        flows,
        row_potentials,
        column_potentials,
    };
    Ok((solution, is_certain))
}

/// A power of two above a number.
fn above(x: f64) -> f64 {
    x.max(f64::MIN_POSITIVE).log2().ceil().exp2() * 2.0
}

/// Exchanges edges until none is cheaper than its potentials by more than rounding.
fn roughly(costs: Costs<'_>, tree: &mut Tree) {
    let mut potentials = Potentials::<f64>::new(costs, tree, 0);
    // Rounding may lead in circles.
    let limit = 100 * tree.parent.len();
    for _ in 0..limit {
        let Some(entering) = potentials.entering(costs) else {
            return;
        };
        let top = tree.exchange(entering.row, entering.column);
        potentials.follow(tree, &entering, top);
    }
}

/// Exchanges edges until none is cheaper than its potentials, or so many times at most. Returns these, and whether none is.
fn exactly<P: Number>(
    costs: Costs<'_>,
    tree: &mut Tree,
    unit: i32,
    limit: usize,
) -> ((Vec<f64>, Vec<f64>), bool) {
    let mut potentials = Potentials::<P>::new(costs, tree, unit);
    let mut count = 0;
    while let Some(entering) = potentials.entering(costs) {
        if count == limit {
            return (potentials.into_floats(), false);
        }
        count += 1;
        let top = tree.exchange(entering.row, entering.column);
        potentials.follow(tree, &entering, top);
    }
    (potentials.into_floats(), true)
}
