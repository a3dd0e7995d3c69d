//! The linear assignment problem, `min over permutations π of Σ_i c[i][π(i)]`, solved exactly.
//!
//! The first two stages keep prices `v` of the columns; a row prefers the columns where `c[i][j] − v[j]` is least.
//! [`auction`] finds prices at which most rows prefer different columns. [`augmentation`] starts from
//! them, gives each row a column that it prefers if that is free, and assigns the others along shortest
//! augmenting paths. The first stage may stop anywhere: the second is exact from any prices, but for rounding. A
//! [`certificate`] then finds the few edges that rounding leaves in doubt, and [`cycles`] of them that improve the assignment, in exact
//! numbers. Where these are too long or the edges too many, [`simplex`] makes a few exchanges. If these don't end it, many edges tie
//! but for rounding: the stages are gone through once more on what is left of the costs beyond the prices, and [`simplex`] ends what is open then.
//!
//! Points on a line are assigned in their orders, where [`monge`] recognises them, and proved in the same way.
//!
//! Equal rows and equal columns, forbidden pairs, and unequal numbers of rows and columns make it a transport
//! problem between [`classes`], which [`simplex`] solves from the start.

mod auction;
mod augmentation;
mod certificate;
mod classes;
mod components;
mod cycles;
mod monge;
mod ties;

use std::borrow::Cow;

use advect_core::Result;
use advect_kernels::dispatch;
use pulp::{Simd, WithSimd};

use crate::{Cost, simplex};
use auction::Auction;
use certificate::Costs;
use classes::Classes;

/// At first the simplex method makes at most one exchange of edges for so many rows; then ties are told apart by what is left of the costs.
const EXCHANGES: usize = 16;

/// No partner.
const FREE: usize = usize::MAX;

/// The numbers below n, in an order in which neighbours are far apart. Sorted rows want the same columns as their neighbours, and would
/// outbid each other if they came one after the other.
fn scattered(n: usize) -> impl Iterator<Item = usize> {
    let common = |mut a: usize, mut b: usize| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    // Steps of a golden section of n, modulo n, spread most evenly. A step without a common divisor comes to each number once.
    let stride = (n as f64 * 0.618) as usize;
    let stride = (stride.max(1)..).find(|k| common(n, *k) == 1).unwrap_or(1);
    (0..n).map(move |k| (k as u128 * stride as u128 % n as u128) as usize)
}

/// Returns the cheapest assignment of rows to columns: pairs (row, column), in the order of the rows. In a square
/// matrix each row has a pair, so that the columns are a permutation; in other matrices, the smaller side is assigned.
///
/// The assignment is exact: no other has a smaller sum of the costs as they are stored, whatever their magnitudes.
/// Pairs of cost ∞ are never made. Without ties it takes O(n³) time at worst, mostly far less, and the result does not depend on the machine's vector
/// instructions.
///
/// It takes a matrix or a reference to one. Where rows and columns change places, because columns are fewer or equal to each other, a
/// square matrix that is given away is transposed in its own memory, and a borrowed one is copied.
///
/// ```
/// use advect_transport::{Cost, assignment};
/// # fn main() -> advect_core::Result<()> {
/// let cost = Cost::new(2, 3, vec![1.0, 5.0, f64::INFINITY, 1.0, 2.0, 9.0])?;
/// assert_eq!(assignment(&cost)?, [(0, 0), (1, 1)]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Range`](advect_core::Error::Range) if every assignment has a pair of cost ∞.
#[doc(alias = "linear_sum_assignment")]
#[doc(alias = "Hungarian algorithm")]
#[doc(alias = "lapjv")]
#[doc(alias = "Jonker-Volgenant")]
#[doc(alias = "optimal transport")]
pub fn assignment<'a>(cost: impl Into<Cow<'a, Cost>>) -> Result<Vec<(usize, usize)>> {
    let cost = cost.into();
    let (rows, columns) = (Classes::of_rows(&cost), Classes::of_columns(&cost));
    let is_square = cost.rows() == cost.columns();
    // Rows that are fewer than columns all get one, and equal rows save more than equal columns.
    let turned = match is_square {
        true => 4 * rows.count > 5 * columns.count,
        false => cost.rows() > cost.columns(),
    };
    let few_equals = 10 * rows.count * columns.count > 3 * cost.rows() * cost.columns();
    let alone = is_square && few_equals && !cost.has_forbidden();
    let solve = match alone {
        true => one_by_one,
        false => by_classes,
    };
    if turned {
        let cost = match cost {
            Cow::Borrowed(cost) => cost.transposed(),
            Cow::Owned(cost) => cost.into_transposed(),
        };
        let row_of = solve(&cost, &columns, &rows)?;
        let pairs = row_of.into_iter().enumerate();
        let mut pairs: Vec<_> = pairs.map(|(j, i)| (i, j)).collect();
        pairs.sort_unstable();
        return Ok(pairs);
    }
    let column_of = solve(&cost, &rows, &columns)?;
    Ok(column_of.into_iter().enumerate().collect())
}

/// The columns of the rows of a square matrix.
fn one_by_one(cost: &Cost, rows: &Classes, columns: &Classes) -> Result<Vec<usize>> {
    let classes = (rows, columns);
    let found = dispatch(Assign {
        cost,
        rests: None,
        classes,
    });
    let Assigned {
        column_of: near,
        price,
        is_certain,
    } = found;
    let mut column_of = near.clone();
    if is_certain || simplex::improve(cost, &mut column_of, &price, cost.rows() / EXCHANGES)? {
        return Ok(column_of);
    }
    // Many edges tie but for rounding. What is left of the costs beyond the potentials tells them apart.
    let g: Vec<f64> = columns.first.iter().map(|j| price[*j]).collect();
    let own = |i: &usize| cost.row(*i)[near[*i]] - g[near[*i]];
    let f: Vec<f64> = rows.first.iter().map(own).collect();
    let rests = cost.reduced(&f, &g);
    let found = dispatch(Assign {
        cost,
        rests: Some(&rests),
        classes,
    });
    column_of = found.column_of;
    if !found.is_certain {
        simplex::improve(cost, &mut column_of, &price, usize::MAX)?;
    }
    Ok(column_of)
}

/// The columns of the rows, as many as columns or fewer.
fn by_classes(cost: &Cost, rows: &Classes, columns: &Classes) -> Result<Vec<usize>> {
    let (rows, columns) = (rows.members(), columns.members());
    let sizes = |classes: &[Vec<usize>]| -> Vec<u64> {
        classes.iter().map(|class| class.len() as u64).collect()
    };
    let first =
        |classes: &[Vec<usize>]| -> Vec<usize> { classes.iter().map(|class| class[0]).collect() };
    let rest = cost.columns() - cost.rows();
    let smaller = cost.part(&first(&rows), &first(&columns), rest > 0);
    let (mut supplies, demands) = (sizes(&rows), sizes(&columns));
    if rest > 0 {
        // Columns that are left over.
        supplies.push(rest as u64);
    }
    let solution = simplex::solve(&smaller, &supplies, &demands)?;
    let mut column_of = vec![FREE; cost.rows()];
    let mut free_rows: Vec<_> = rows.iter().map(|class| class.iter()).collect();
    let mut free_columns: Vec<_> = columns.iter().map(|class| class.iter()).collect();
    for (a, b, count) in solution.flows {
        if let Some(free_rows) = free_rows.get_mut(a) {
            let pairs = free_rows.zip(&mut free_columns[b]);
            for (i, j) in pairs.take(count as usize) {
                column_of[*i] = *j;
            }
        }
    }
    Ok(column_of)
}

struct Assign<'a> {
    cost: &'a Cost,
    /// What is left of the costs beyond potentials, if these are known; nearly exactly.
    rests: Option<&'a Cost>,
    classes: (&'a Classes, &'a Classes),
}

struct Assigned {
    column_of: Vec<usize>,
    price: Vec<f64>,
    is_certain: bool,
}

impl WithSimd for Assign<'_> {
    type Output = Assigned;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Assigned {
        let Assign {
            cost,
            rests,
            classes,
        } = self;
        // No closures: they would be compiled for machines without vector instructions.
        let rounded = rests.unwrap_or(cost);
        let on_line = match rests {
            None => monge::assign(simd, cost),
            Some(_) => None,
        };
        let (mut column_of, price) = match on_line {
            Some(found) => found,
            None => {
                let auction = Auction::new(simd, rounded);
                augmentation::assign(simd, rounded, classes.0, auction)
            }
        };
        let costs = Costs { cost, rests };
        let is_certain = certificate::improve(simd, costs, classes, &mut column_of, &price);
        Assigned {
            column_of,
            price,
            is_certain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn brute_force(cost: &Cost) -> f64 {
        fn best(cost: &Cost, i: usize, used: &mut Vec<bool>) -> f64 {
            if i == cost.rows() {
                return 0.0;
            }
            let mut least = f64::INFINITY;
            for j in 0..cost.columns() {
                if !used[j] {
                    used[j] = true;
                    least = least.min(cost.row(i)[j] + best(cost, i + 1, used));
                    used[j] = false;
                }
            }
            least
        }
        best(cost, 0, &mut vec![false; cost.columns()])
    }

    fn columns(pairs: &[(usize, usize)]) -> Vec<usize> {
        pairs.iter().map(|pair| pair.1).collect()
    }

    fn is_permutation(pairs: &[(usize, usize)]) -> bool {
        let mut sorted = columns(pairs);
        sorted.sort_unstable();
        pairs.iter().map(|pair| pair.0).eq(0..pairs.len()) && sorted.into_iter().eq(0..pairs.len())
    }

    /// Optimality without a second solver: no cycle of exchanges lowers the cost (Bellman–Ford on the
    /// residual graph finds no negative cycle).
    fn is_optimal(cost: &Cost, pairs: &[(usize, usize)]) -> bool {
        let p = columns(pairs);
        let n = p.len();
        let mut distance = vec![0.0; n];
        let mut changed = true;
        for _ in 0..=n {
            changed = false;
            for i in 0..n {
                for k in 0..n {
                    let d = distance[i] + cost.row(i)[p[k]] - cost.row(k)[p[k]];
                    if d < distance[k] - 1e-9 {
                        distance[k] = d;
                        changed = true;
                    }
                }
            }
            if !changed {
                break;
            }
        }
        !changed
    }

    proptest! {
        #[test]
        fn small_problems_match_brute_force(n in 1usize..7, seed in any::<u64>(), ties in any::<bool>()) {
            let mut values = advect_core::Generator::from_seed(seed)
                .values(&rand_distr::StandardNormal, n * n).unwrap();
            if ties {
                values.iter_mut().for_each(|v| *v = v.round());
            }
            let cost = Cost::new(n, n, values).unwrap();
            let p = assignment(&cost).unwrap();
            prop_assert!(is_permutation(&p));
            prop_assert!((cost.total(&p) - brute_force(&cost)).abs() < 1e-12);
        }

        #[test]
        fn larger_problems_leave_no_improving_exchange(n in 7usize..68, seed in any::<u64>(), levels in 1u32..50) {
            let values = advect_core::Generator::from_seed(seed)
                .values(&rand_distr::StandardNormal, n * n).unwrap()
                .into_iter()
                .map(|v| (v * f64::from(levels)).round())
                .collect();
            let cost = Cost::new(n, n, values).unwrap();
            let p = assignment(&cost).unwrap();
            prop_assert!(is_permutation(&p) && is_optimal(&cost, &p));
        }
    }

    #[test]
    fn a_matrix_may_be_given_or_lent() {
        let mut rng = advect_core::Generator::from_seed(0);
        for (rows, classes) in [(40, 40), (40, 11), (60, 40), (40, 60)] {
            // With equal columns, or more rows than columns, rows and columns change places.
            let values = rng.values(&rand_distr::StandardNormal, rows * 40).unwrap();
            let values: Vec<f64> = (0..rows * 40)
                .map(|k| values[k / 40 * 40 + k % 40 % classes])
                .collect();
            let cost = Cost::new(rows, 40, values).unwrap();
            let lent = assignment(&cost).unwrap();
            assert_eq!(lent.len(), rows.min(40));
            assert_eq!(assignment(cost).unwrap(), lent);
        }
    }

    #[test]
    fn equal_costs_end() {
        for n in [1, 2, 3, 64] {
            let cost = Cost::new(n, n, vec![0.1 + 0.2; n * n]).unwrap();
            assert!(is_permutation(&assignment(&cost).unwrap()));
        }
    }

    #[test]
    fn huge_ranges_end() {
        let values = (0..400)
            .map(|k| f64::from(k * k % 91) * 10f64.powi(k % 60 - 30))
            .collect();
        let cost = Cost::new(20, 20, values).unwrap();
        assert!(is_permutation(&assignment(&cost).unwrap()));
    }

    /// Clusters far apart: most columns must be bought away from cheap rows, over many rounds.
    #[test]
    fn clusters_are_assigned_optimally() {
        let mut rng = advect_core::Generator::from_seed(0);
        for n in [65usize, 200] {
            let x: Vec<f64> = rng.values(&rand_distr::StandardNormal, n).unwrap();
            let y: Vec<f64> = rng.values(&rand_distr::StandardNormal, n).unwrap();
            let x: Vec<f64> = (0..n).map(|i| x[i] + 10.0 * (i % 3) as f64).collect();
            let values = x
                .iter()
                .flat_map(|a| y.iter().map(move |b| (a - 7.0 * b).powi(2)));
            let cost = Cost::new(n, n, values.collect()).unwrap();
            let p = columns(&assignment(&cost).unwrap());
            // In one dimension the optimal assignment is monotone.
            let rank = |v: &[f64]| -> Vec<usize> {
                let mut order: Vec<usize> = (0..n).collect();
                order.sort_by(|&i, &j| v[i].total_cmp(&v[j]));
                order
            };
            let (x, y) = (rank(&x), rank(&y));
            assert!((0..n).all(|k| p[x[k]] == y[k]));
        }
    }
}
