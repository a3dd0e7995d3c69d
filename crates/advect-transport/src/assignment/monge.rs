//! Points on a line, in any space, whose costs are a convex function of the distance that never falls.
//!
//! In the order of the line such costs have Monge's property: `c[i][j] + c[k][l] ≤ c[i][l] + c[k][j]` for i before k and j before l. Rows
//! and columns are then assigned in their orders (A. J. Hoffman, On simple linear programming problems, Proceedings of
//! Symposia in Pure Mathematics 7, 1963). What comes out is proved, or improved, like any other assignment.

use pulp::Simd;

use crate::Cost;
use crate::scan::Scanner;

/// The property may be missed by this part of the costs, which is rounding.
const ROUNDING: f64 = 1.0 / (1u64 << 46) as f64;

/// Assigns rows and columns in their orders, if the costs are those of points on a line: the column of each row, and prices of the
/// columns at which rows prefer theirs, but for rounding.
#[inline(always)]
pub(super) fn assign<S: Simd>(simd: S, cost: &Cost) -> Option<(Vec<usize>, Vec<f64>)> {
    let n = cost.rows();
    let (rows, columns) = orders(cost);
    let c = |i: usize, j: usize| cost.row(rows[i])[columns[j]];
    // Prices that make both neighbours on the diagonal equally dear for a row and for the one before.
    let mut prices = vec![0.0; n];
    for k in 1..n {
        let (row, own) = (c(k - 1, k) - c(k - 1, k - 1), c(k, k) - c(k, k - 1));
        if row - own < -ROUNDING * cost.largest() {
            return None;
        }
        prices[k] = prices[k - 1] + 0.5 * (row + own);
    }
    let (mut column_of, mut price) = (vec![0; n], vec![0.0; n]);
    for ((i, j), v) in rows.into_iter().zip(columns).zip(prices) {
        (column_of[i], price[j]) = (j, v);
    }
    let (mut scanner, mut missed, mut largest) = (Scanner::new(n), 0.0, 0f64);
    for (i, &j) in column_of.iter().enumerate() {
        let own = cost.row(i)[j] - price[j];
        largest = largest.max(own.abs());
        missed += own - scanner.least(simd, cost.row(i), &price);
        if missed > n as f64 * ROUNDING * cost.largest() {
            return None;
        }
    }
    (missed <= n as f64 * ROUNDING * largest).then_some((column_of, price))
}

/// The orders of rows and columns along a line, if they are on one.
fn orders(cost: &Cost) -> (Vec<usize>, Vec<usize>) {
    let n = cost.rows();
    // The column that is farthest from some row is at one end, and the row that is farthest from it at the other, say the
    // first one. Then come the last column, a column near the first row, the last row, and the first column.
    let end = greatest(n, |j| cost.row(0)[j]);
    let first = greatest(n, |i| cost.row(i)[end]);
    let right = greatest(n, |j| cost.row(first)[j]);
    let near = greatest(n, |j| -cost.row(first)[j]);
    let last = greatest(n, |i| cost.row(i)[near] - cost.row(i)[right]);
    let left = greatest(n, |j| cost.row(last)[j] - cost.row(first)[j]);
    let order = |key: &dyn Fn(usize) -> f64| {
        let mut order: Vec<(f64, usize)> = (0..n).map(|k| (key(k), k)).collect();
        order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        order.into_iter().map(|(_, k)| k).collect()
    };
    (
        order(&|i| cost.row(i)[left] - cost.row(i)[right]),
        order(&|j| cost.row(first)[j] - cost.row(last)[j]),
    )
}

/// The number below n whose value is greatest.
fn greatest(n: usize, value: impl Fn(usize) -> f64) -> usize {
    let values = (0..n).map(|k| (value(k), k));
    let greatest = values.max_by(|a, b| a.0.total_cmp(&b.0));
    greatest.map_or(0, |(_, k)| k)
}

#[cfg(test)]
mod tests {
    use advect_kernels::dispatch;
    use pulp::WithSimd;

    use super::*;
    use crate::assignment::scattered;

    struct Assign<'a>(&'a Cost);

    impl WithSimd for Assign<'_> {
        type Output = Option<(Vec<usize>, Vec<f64>)>;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
            assign(simd, self.0)
        }
    }

    /// Numbers with a spread and a mean, in no order.
    fn cloud(n: usize, spread: f64, mean: f64, phase: f64) -> Vec<f64> {
        let place = |i: usize| (i as f64 * 0.754_877_666 + phase).fract() - 0.5;
        scattered(n).map(|i| mean + spread * place(i)).collect()
    }

    #[test]
    fn lines_are_recognised_wherever_the_clouds_are() {
        for n in [2, 3, 40, 101] {
            for (spread, mean) in [
                (1.0, 0.0),
                (1.0, 0.5),
                (0.1, 0.5),
                (10.0, 0.5),
                (4.0, 9.0),
                (1.0, -3.0),
            ] {
                let (x, y) = (cloud(n, 1.0, 0.0, 0.2), cloud(n, spread, mean, 0.6));
                let costs = |f: &dyn Fn(f64) -> f64| {
                    let mut values = Vec::new();
                    for x in &x {
                        values.extend(y.iter().map(|y| f((x - y).abs())));
                    }
                    Cost::new(n, n, values).unwrap()
                };
                let sorted = |x: &[f64]| {
                    let mut order: Vec<usize> = (0..n).collect();
                    order.sort_by(|a, b| x[*a].total_cmp(&x[*b]));
                    order
                };
                let cost = costs(&|d| d * d);
                let (column_of, _) = dispatch(Assign(&cost)).unwrap();
                for (i, j) in sorted(&x).into_iter().zip(sorted(&y)) {
                    assert_eq!(column_of[i], j, "{n} {spread} {mean}");
                }
                // The other way round it would be the dearest assignment.
                let cost = costs(&|d| -d * d);
                let found = dispatch(Assign(&cost));
                let total = |column_of: &[usize]| -> f64 {
                    (0..n).map(|i| cost.row(i)[column_of[i]]).sum()
                };
                if let Some((found, _)) = found {
                    assert!(total(&found) <= total(&column_of));
                }
            }
        }
        // Rows on one side of all columns but one.
        let (x, y) = ([-3.0, -1.0, -2.0f64], [-4.5, -2.5, 2.5]);
        let values = x
            .iter()
            .flat_map(|x| y.iter().map(move |y| (x - y) * (x - y)));
        let cost = Cost::new(3, 3, values.collect()).unwrap();
        let found = dispatch(Assign(&cost)).unwrap();
        assert_eq!(found.0, [0, 2, 1]);
    }
}
