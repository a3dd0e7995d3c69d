//! Classes of equal rows and of equal columns, which are interchangeable.

use crate::Cost;

/// A partition of `0..n` into classes of equals.
pub(super) struct Classes {
    /// The first member of each one's class.
    pub(super) first: Vec<usize>,
    /// The number of classes.
    pub(super) count: usize,
}

impl Classes {
    pub(super) fn of_rows(cost: &Cost) -> Self {
        // Most costs tell rows apart by a few neighbouring columns, which lie in one line of the cache.
        let sample = sample(cost.columns());
        let keys = (0..cost.rows()).map(|i| hash(&cost.row(i)[sample.clone()]));
        Classes::new(keys.collect(), |candidates| {
            let hashes = candidates.iter().map(|i| hash(cost.row(*i)));
            let hashes = hashes.collect();
            (hashes, |pairs: &[(usize, usize)]| {
                let equal = pairs.iter().map(|(i, k)| cost.row(*i) == cost.row(*k));
                equal.collect()
            })
        })
    }

    pub(super) fn of_columns(cost: &Cost) -> Self {
        let rows = sample(cost.rows());
        let mut keys = vec![0; cost.columns()];
        for i in rows {
            mix(&mut keys, cost.row(i).iter());
        }
        Classes::new(keys, |candidates| {
            // Row by row, as memory lies.
            let mut hashes = vec![0; candidates.len()];
            for i in 0..cost.rows() {
                let row = cost.row(i);
                mix(&mut hashes, candidates.iter().map(|j| &row[*j]));
            }
            (hashes, |pairs: &[(usize, usize)]| {
                let mut equal = vec![true; pairs.len()];
                for i in 0..cost.rows() {
                    let row = cost.row(i);
                    for (equal, (j, k)) in equal.iter_mut().zip(pairs) {
                        *equal &= row[*j] == row[*k];
                    }
                }
                equal
            })
        })
    }

    /// Members with equal keys are candidates, those with equal hashes of all their numbers are compared.
    fn new<C: FnOnce(&[(usize, usize)]) -> Vec<bool>>(
        keys: Vec<u64>,
        hashes: impl FnOnce(&[usize]) -> (Vec<u64>, C),
    ) -> Self {
        let n = keys.len();
        let mut first: Vec<usize> = (0..n).collect();
        let mut sorted = keys.clone();
        sorted.sort_unstable();
        if sorted.windows(2).all(|keys| keys[0] < keys[1]) {
            return Classes { first, count: n };
        }
        let mut order = first.clone();
        order.sort_unstable_by_key(|i| (keys[*i], *i));
        let runs = order.chunk_by(|i, k| keys[*i] == keys[*k]);
        let candidates = runs.filter(|run| run.len() > 1).flatten().copied();
        let candidates: Vec<usize> = candidates.collect();
        let (hashes, compare) = hashes(&candidates);
        let mut order: Vec<(u64, usize)> = hashes.into_iter().zip(candidates).collect();
        order.sort_unstable();
        let runs = order.chunk_by(|a, b| a.0 == b.0);
        let pairs = runs.flat_map(|run| run[1..].iter().map(|(_, i)| (*i, run[0].1)));
        let pairs: Vec<(usize, usize)> = pairs.collect();
        let mut count = n;
        for ((i, k), equal) in pairs.iter().zip(compare(&pairs)) {
            if equal {
                first[*i] = *k;
                count -= 1;
            }
        }
        Classes { first, count }
    }

    /// The next member of each one's class; of the last one, the first.
    pub(super) fn next(&self) -> Vec<usize> {
        let mut next = self.first.clone();
        let mut last = self.first.clone();
        for (i, &first) in self.first.iter().enumerate() {
            next[last[first]] = i;
            (last[first], next[i]) = (i, first);
        }
        next
    }

    /// The members of each class, in order; the classes in the order of their first members.
    pub(super) fn members(&self) -> Vec<Vec<usize>> {
        let mut class = vec![0; self.first.len()];
        let mut members: Vec<Vec<usize>> = Vec::with_capacity(self.count);
        for (i, &first) in self.first.iter().enumerate() {
            if first == i {
                class[i] = members.len();
                members.push(vec![i]);
            } else {
                members[class[first]].push(i);
            }
        }
        members
    }
}

/// A few places in the middle.
fn sample(count: usize) -> std::ops::Range<usize> {
    let start = (count / 2).min(count.saturating_sub(4));
    start..count.min(start + 4)
}

fn hash(values: &[f64]) -> u64 {
    let mut hash = [0];
    for value in values {
        mix(&mut hash, [value].into_iter());
    }
    hash[0]
}

fn mix<'a>(hashes: &mut [u64], values: impl Iterator<Item = &'a f64>) {
    for (hash, value) in hashes.iter_mut().zip(values) {
        // −0 and 0 are equal.
        let bits = (value + 0.0).to_bits();
        *hash = (hash.rotate_left(23) ^ bits).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn classes_are_those_of_equals(rows in 1usize..9, columns in 1usize..9, seed in any::<u64>()) {
            let values = advect_core::Generator::from_seed(seed).values(&rand_distr::StandardNormal, rows * columns).unwrap();
            let values = values.into_iter().map(|v| if v > 0.5 { 1.0 } else { -0.0 * v });
            let cost = Cost::new(rows, columns, values.collect()).unwrap();
            let column = |j: usize| (0..rows).map(|i| cost.row(i)[j]).collect::<Vec<_>>();
            for (classes, count, equal) in [
                (Classes::of_rows(&cost), rows, &(|i, k| cost.row(i) == cost.row(k)) as &dyn Fn(usize, usize) -> bool),
                (Classes::of_columns(&cost), columns, &|i, k| column(i) == column(k)),
            ] {
                let members = classes.members();
                prop_assert_eq!(members.len(), classes.count);
                let class = |i: usize| members.iter().position(|m| m.contains(&i));
                for i in 0..count {
                    prop_assert!((0..count).all(|k| (class(i) == class(k)) == equal(i, k)));
                }
            }
        }
    }
}
