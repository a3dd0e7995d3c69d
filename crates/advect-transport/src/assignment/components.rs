//! The strongly connected components of a graph.

use std::ops::Range;

/// Unknown so far.
const NONE: usize = usize::MAX;

/// The component of each of `nodes` nodes, as a number: two nodes have the same where each can be reached from the other.
/// The edges of node `i` are `edges(i)`, and edge `e` leads to `head(e)`. Also the number of components (R. Tarjan, Depth-first search
/// and linear graph algorithms, SIAM Journal on Computing 1, 1972).
pub(super) fn components(
    nodes: usize,
    edges: impl Fn(usize) -> Range<usize>,
    head: impl Fn(usize) -> usize,
) -> (Vec<usize>, usize) {
    let (mut component, mut count) = (vec![NONE; nodes], 0);
    // The order in which nodes are visited; the first of those that are open and can be reached through each.
    let (mut place, mut lowest) = (vec![NONE; nodes], vec![NONE; nodes]);
    let mut visited = 0;
    let mut open = Vec::new();
    let mut path: Vec<(usize, Range<usize>)> = Vec::new();
    for root in 0..nodes {
        let mut next = Some(root).filter(|root| place[*root] == NONE);
        loop {
            if let Some(node) = next.take() {
                (place[node], lowest[node]) = (visited, visited);
                visited += 1;
                open.push(node);
                path.push((node, edges(node)));
            }
            let Some((node, rest)) = path.last_mut() else {
                break;
            };
            let node = *node;
            if let Some(edge) = rest.next() {
                let to = head(edge);
                if place[to] == NONE {
                    next = Some(to);
                } else if component[to] == NONE {
                    lowest[node] = lowest[node].min(place[to]);
                }
                continue;
            }
            path.pop();
            if lowest[node] == place[node] {
                while let Some(member) = open.pop() {
                    component[member] = count;
                    if member == node {
                        break;
                    }
                }
                count += 1;
            } else if let Some((parent, _)) = path.last() {
                lowest[*parent] = lowest[*parent].min(lowest[node]);
            }
        }
    }
    (component, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn components_are_those_of_mutual_reach(n in 1usize..9, seed in any::<u64>()) {
            let chosen = advect_core::Generator::from_seed(seed).values(&rand_distr::StandardUniform, n * n).unwrap();
            let chosen: Vec<f64> = chosen;
            let mut reach: Vec<bool> = (0..n * n).map(|e| chosen[e] < 0.2 || e / n == e % n).collect();
            let mut edges: Vec<(usize, usize)> = Vec::new();
            (0..n * n).filter(|e| reach[*e]).for_each(|e| edges.push((e / n, e % n)));
            for k in 0..n {
                for e in 0..n * n {
                    reach[e] |= reach[e / n * n + k] && reach[k * n + e % n];
                }
            }
            let start = |i: usize| edges.partition_point(|edge| edge.0 < i);
            let (component, count) = components(n, |i| start(i)..start(i + 1), |e| edges[e].1);
            for e in 0..n * n {
                let (i, k) = (e / n, e % n);
                prop_assert_eq!(component[i] == component[k], reach[i * n + k] && reach[k * n + i]);
            }
            prop_assert!(component.iter().all(|c| *c < count));
        }
    }
}
