//! The linear assignment problem, `min over permutations π of Σ_i c[i][π(i)]`, exactly.
//!
//! Both stages keep prices `v` of the columns; a row prefers the columns where `c[i][j] − v[j]` is least.
//! [`auction`] finds prices at which most rows prefer different columns. [`augmentation`] starts from
//! them, gives each row a column that it prefers if that is free, and assigns the others along shortest
//! augmenting paths. The first stage may stop anywhere: the second is exact from any prices.

mod auction;
mod augmentation;
mod scan;

use advect_core::{Error, Result};
use pulp::{Arch, Simd, WithSimd};

use crate::Cost;

/// No partner.
const FREE: usize = usize::MAX;

/// The cheapest assignment of rows to columns: `assignment[i]` is the column of row `i`, a permutation.
///
/// Exact up to rounding in f64; O(n³) at worst. The answer does not depend on the machine's vector
/// instructions.
///
/// # Errors
/// [`Error::Shape`] unless the matrix is square.
pub fn assignment(cost: &Cost) -> Result<Vec<usize>> {
    if cost.rows() != cost.columns() {
        let given = [cost.rows(), cost.columns()];
        return Err(Error::shape("cost", &given, "a square matrix"));
    }
    Ok(Arch::new().dispatch(Assign(cost)))
}

struct Assign<'a>(&'a Cost);

impl WithSimd for Assign<'_> {
    type Output = Vec<usize>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<usize> {
        let prices = auction::prices(simd, self.0);
        augmentation::assign(simd, self.0, prices)
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

    /// Clusters far apart: most columns must be bought away from cheap rows, over many rounds.
    #[test]
    fn clusters_are_assigned_optimally() {
        let mut rng = advect_core::Generator::from_seed(0);
        for n in [65usize, 200] {
            let x: Vec<f64> = rng.values(&rand_distr::StandardNormal, n);
            let y: Vec<f64> = rng.values(&rand_distr::StandardNormal, n);
            let x: Vec<f64> = (0..n).map(|i| x[i] + 10.0 * (i % 3) as f64).collect();
            let values = x
                .iter()
                .flat_map(|a| y.iter().map(move |b| (a - 7.0 * b).powi(2)));
            let cost = Cost::new(n, n, values.collect()).unwrap();
            let p = assignment(&cost).unwrap();
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

    #[test]
    fn rectangles_are_refused() {
        let cost = Cost::new(1, 2, vec![0.0; 2]).unwrap();
        assert!(matches!(assignment(&cost), Err(Error::Shape { .. })));
    }
}
