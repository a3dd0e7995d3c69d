//! A proof that an assignment is the cheapest, in spite of rounding.
//!
//! An assignment can be improved only along a cycle: row `i` takes the column of row `k`, and so on round. Its cost is the
//! sum of `(c[i][π(k)] − v[π(k)]) − (c[i][π(i)] − v[π(i)])`, the prices cancel. No term is below 0 by more than rows miss
//! their preference, so all terms of an improving cycle are small. Where the few edges that are so near close no
//! cycle, there is none: the assignment is the cheapest, and the only one.

use pulp::Simd;

use crate::Cost;
use crate::scan::Scanner;

/// The smallest difference that is certain in spite of rounding, as a part of a row's numbers.
const ROUNDING: f64 = 1.0 / (1u64 << 50) as f64;
/// Beyond this many near edges a row there are ties.
const EDGES: usize = 8;

/// Whether an assignment is surely the cheapest, by prices of the columns.
#[inline(always)]
pub(super) fn is_certain<S: Simd>(
    simd: S,
    cost: &Cost,
    column_of: &[usize],
    price: &[f64],
) -> bool {
    let n = cost.rows();
    let mut row_of = vec![0; n];
    let (mut largest, mut matched) = (0f64, Vec::with_capacity(n));
    for (i, &j) in column_of.iter().enumerate() {
        row_of[j] = i;
        matched.push(cost.row(i)[j] - price[j]);
        largest = largest.max(matched[i].abs());
    }
    // More than all rows together can miss, unless the assignment is a bad one.
    let near = 4.0 * n as f64 * ROUNDING * largest;
    let mut scanner = Scanner::new(n);
    let mut missed = 0.0;
    let mut edges: Vec<(usize, usize)> = Vec::new();
    let mut entering = vec![0; n];
    for (i, matched) in matched.into_iter().enumerate() {
        let own = column_of[i];
        let visit = |j: usize| {
            if j != own {
                edges.push((i, row_of[j]));
                entering[row_of[j]] += 1;
            }
        };
        let least = scanner.near(simd, cost.row(i), price, matched + near, visit);
        missed += (matched - least) + ROUNDING * (matched.abs() + least.abs());
        if missed > 0.5 * near || edges.len() > EDGES * n {
            return false;
        }
    }
    is_acyclic(&edges, entering)
}

/// Whether edges, sorted by their first node, close no cycle; `entering` counts those that come to each node.
fn is_acyclic(edges: &[(usize, usize)], mut entering: Vec<usize>) -> bool {
    let n = entering.len();
    let mut ready: Vec<usize> = (0..n).filter(|i| entering[*i] == 0).collect();
    let mut done = 0;
    while let Some(i) = ready.pop() {
        done += 1;
        let start = edges.partition_point(|edge| edge.0 < i);
        for (_, k) in edges[start..].iter().take_while(|edge| edge.0 == i) {
            entering[*k] -= 1;
            if entering[*k] == 0 {
                ready.push(*k);
            }
        }
    }
    done == n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_are_found() {
        let acyclic = |edges: &[(usize, usize)]| {
            let mut entering = vec![0; 4];
            edges.iter().for_each(|(_, k)| entering[*k] += 1);
            is_acyclic(edges, entering)
        };
        assert!(acyclic(&[]));
        assert!(acyclic(&[(0, 1), (0, 2), (1, 3), (2, 1)]));
        assert!(!acyclic(&[(0, 1), (1, 2), (2, 1)]));
        assert!(!acyclic(&[(0, 1), (1, 2), (2, 3), (3, 0)]));
    }
}
