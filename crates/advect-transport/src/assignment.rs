//! The linear assignment problem: `min over permutations π of Σ_i c[i][π(i)]`, by shortest augmenting
//! paths (R. Jonker and A. Volgenant, A shortest augmenting path algorithm for dense and sparse linear
//! assignment problems, Computing 38, 1987).
//!
//! Column prices `v` are kept such that every assigned row sits at a minimum of `c[i][j] − v[j]`. A
//! cheap start (column reduction, reduction transfer, augmenting row reduction) assigns most rows;
//! each row that is left is assigned along a shortest path in reduced costs.

use advect_core::{Error, Result};

use crate::Cost;

/// No partner yet.
const FREE: usize = usize::MAX;

/// The cheapest assignment of rows to columns: `assignment[i]` is the column of row `i`, a permutation.
///
/// Exact up to rounding in f64; O(n³) at worst.
///
/// # Errors
/// [`Error::Shape`] unless the matrix is square.
pub fn assignment(cost: &Cost) -> Result<Vec<usize>> {
    if cost.rows() != cost.columns() {
        let given = [cost.rows(), cost.columns()];
        return Err(Error::shape("cost", &given, "a square matrix"));
    }
    let mut matching = Matching::column_reduction(cost);
    matching.reduction_transfer();
    // Two sweeps, as the paper advises: the first assigns most rows, the second many of the rest.
    matching.augmenting_row_reduction();
    matching.augmenting_row_reduction();
    matching.augmentation();
    Ok(matching.column_of)
}

/// A partial assignment with its column prices.
struct Matching<'a> {
    cost: &'a Cost,
    column_of: Vec<usize>,
    row_of: Vec<usize>,
    price: Vec<f64>,
    /// The rows without a column.
    free: Vec<usize>,
}

impl<'a> Matching<'a> {
    /// Prices each column at its minimum and assigns it to the row of that minimum, if still free.
    fn column_reduction(cost: &'a Cost) -> Self {
        let n = cost.rows();
        let mut price = cost.row(0).to_vec();
        let mut minimum = vec![0; n];
        for i in 1..n {
            for (j, &c) in cost.row(i).iter().enumerate() {
                if c < price[j] {
                    price[j] = c;
                    minimum[j] = i;
                }
            }
        }
        let (mut column_of, mut row_of) = (vec![FREE; n], vec![FREE; n]);
        for j in (0..n).rev() {
            if column_of[minimum[j]] == FREE {
                column_of[minimum[j]] = j;
                row_of[j] = minimum[j];
            }
        }
        let free = (0..n).filter(|&i| column_of[i] == FREE).collect();
        Matching {
            cost,
            column_of,
            row_of,
            price,
            free,
        }
    }

    /// Lowers the price of each assigned column as far as its row still prefers it.
    fn reduction_transfer(&mut self) {
        for i in 0..self.column_of.len() {
            let j = self.column_of[i];
            if j == FREE {
                continue;
            }
            // The slack of the row: how much its second choice costs beyond its own column.
            let row = self.cost.row(i);
            let second = (row.iter().zip(&self.price).enumerate())
                .filter(|&(k, _)| k != j)
                .map(|(_, (c, v))| c - v)
                .fold(f64::INFINITY, f64::min);
            let slack = second - (row[j] - self.price[j]);
            if slack.is_finite() {
                self.price[j] -= slack.max(0.0);
            }
        }
    }

    /// Gives each free row its best column, priced down to the row's second choice; the row that had
    /// the column becomes free and is tried next.
    fn augmenting_row_reduction(&mut self) {
        let n = self.column_of.len();
        let mut queue = std::mem::take(&mut self.free);
        queue.reverse();
        // Rounding can make a chain of evictions circle: past this many, rows are left to the paths.
        let mut budget = 8 * n;
        while let Some(i) = queue.pop() {
            let ((first, least), (second, next)) = two_smallest(self.cost.row(i), &self.price);
            if budget == 0 || second == FREE {
                // Without a second choice the matrix is 1 × 1, and the paths will do.
                self.free.push(i);
                continue;
            }
            budget -= 1;
            let mut column = first;
            let lowers = next > least;
            if lowers {
                self.price[first] -= next - least;
            } else if self.row_of[first] != FREE {
                // A tie: the second choice costs the same and may be free.
                column = second;
            }
            let evicted = self.row_of[column];
            self.column_of[i] = column;
            self.row_of[column] = i;
            if evicted != FREE {
                self.column_of[evicted] = FREE;
                if lowers {
                    queue.push(evicted);
                } else {
                    self.free.push(evicted);
                }
            }
        }
    }

    /// Assigns each row that is left along a shortest path (Dijkstra) to a free column.
    fn augmentation(&mut self) {
        let n = self.column_of.len();
        let mut distance = vec![0.0; n];
        let mut predecessor = vec![0; n];
        // Columns in three runs: ready (distance final), scan (at the current minimum), to do.
        let mut columns: Vec<usize> = (0..n).collect();
        for start in std::mem::take(&mut self.free) {
            for (j, d) in distance.iter_mut().enumerate() {
                *d = self.cost.row(start)[j] - self.price[j];
            }
            predecessor.fill(start);
            let (mut scan, mut todo) = (0, 0);
            let mut ready = 0;
            let mut minimum = 0.0;
            let end = 'search: loop {
                if scan == todo {
                    ready = scan;
                    minimum = columns[todo..]
                        .iter()
                        .map(|&j| distance[j])
                        .fold(f64::INFINITY, f64::min);
                    for k in todo..n {
                        if distance[columns[k]] <= minimum {
                            columns.swap(k, todo);
                            todo += 1;
                        }
                    }
                    if let Some(&j) = columns[scan..todo]
                        .iter()
                        .find(|&&j| self.row_of[j] == FREE)
                    {
                        break 'search j;
                    }
                }
                let through = columns[scan];
                scan += 1;
                let i = self.row_of[through];
                let row = self.cost.row(i);
                let offset = row[through] - self.price[through] - minimum;
                for k in todo..n {
                    let j = columns[k];
                    let d = row[j] - self.price[j] - offset;
                    if d < distance[j] {
                        distance[j] = d;
                        predecessor[j] = i;
                        if d <= minimum {
                            if self.row_of[j] == FREE {
                                break 'search j;
                            }
                            columns.swap(k, todo);
                            todo += 1;
                        }
                    }
                }
            };
            for &j in &columns[..ready] {
                self.price[j] += distance[j] - minimum;
            }
            self.augment(start, end, &predecessor);
        }
    }

    /// Flips the path that ends at a free column.
    fn augment(&mut self, start: usize, end: usize, predecessor: &[usize]) {
        let mut j = end;
        loop {
            let i = predecessor[j];
            self.row_of[j] = i;
            std::mem::swap(&mut self.column_of[i], &mut j);
            if i == start {
                return;
            }
        }
    }
}

/// The smallest and second smallest of `row[j] − price[j]`, each with its column.
fn two_smallest(row: &[f64], price: &[f64]) -> ((usize, f64), (usize, f64)) {
    let (mut first, mut second) = ((FREE, f64::INFINITY), (FREE, f64::INFINITY));
    for (j, (c, v)) in row.iter().zip(price).enumerate() {
        let reduced = c - v;
        if reduced < second.1 {
            if reduced < first.1 {
                second = first;
                first = (j, reduced);
            } else {
                second = (j, reduced);
            }
        }
    }
    (first, second)
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

    fn is_permutation(p: &[usize]) -> bool {
        let mut sorted = p.to_vec();
        sorted.sort_unstable();
        sorted.into_iter().eq(0..p.len())
    }

    /// Optimality without a second solver: no cycle of exchanges lowers the cost (Bellman–Ford on the
    /// residual graph finds no negative cycle).
    fn is_optimal(cost: &Cost, p: &[usize]) -> bool {
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
                .values(&rand_distr::StandardNormal, n * n);
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
                .values(&rand_distr::StandardNormal, n * n)
                .into_iter()
                .map(|v| (v * f64::from(levels)).round())
                .collect();
            let cost = Cost::new(n, n, values).unwrap();
            let p = assignment(&cost).unwrap();
            prop_assert!(is_permutation(&p) && is_optimal(&cost, &p));
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

    #[test]
    fn rectangles_are_refused() {
        let cost = Cost::new(1, 2, vec![0.0; 2]).unwrap();
        assert!(matches!(assignment(&cost), Err(Error::Shape { .. })));
    }
}
