//! The two loops over a row of costs that take all the time, vectorised.
//!
//! Both keep the minimum of each block of columns beside the values, so that the overall minimum is
//! found among few numbers. Nothing depends on the width of the vectors: there are no sums.

use pulp::Simd;

use crate::work;

/// No place.
const NONE: usize = usize::MAX;

/// Columns in a block.
const BLOCK: usize = 64;

/// A row's preference among the columns: the preferred column and the next best.
pub(crate) struct Preference {
    pub(crate) first: usize,
    pub(crate) least: f64,
    /// The least `c[j] − v[j]` of all other columns; infinite if there is no other.
    pub(crate) next: f64,
}

/// Scratch space for [`Scanner::preference`].
pub(crate) struct Scanner {
    reduced: Vec<f64>,
    minima: Vec<f64>,
}

impl Scanner {
    pub(crate) fn new(n: usize) -> Self {
        Scanner {
            reduced: vec![0.0; n],
            minima: vec![0.0; n.div_ceil(BLOCK)],
        }
    }

    /// The two least of `row[j] − price[j]`.
    #[inline(always)]
    pub(crate) fn preference<S: Simd>(
        &mut self,
        simd: S,
        row: &[f64],
        price: &[f64],
    ) -> Preference {
        self.reduce(simd, row, price);
        let (first, least) = find_minimum(&self.reduced, &self.minima);
        let block = first / BLOCK;
        self.reduced[first] = f64::INFINITY;
        let rest = self.reduced.chunks(BLOCK).nth(block).unwrap_or(&[]);
        self.minima[block] = rest.iter().copied().fold(f64::INFINITY, f64::min);
        let next = self.minima.iter().copied().fold(f64::INFINITY, f64::min);
        Preference { first, least, next }
    }

    /// Calls `visit` for each column where `row[j] − price[j]` is at most `bound`, but for the preferred one, at the row and the prices of
    /// the last [`Scanner::preference`].
    pub(crate) fn others_near(&self, bound: f64, mut visit: impl FnMut(usize)) {
        let blocks = self.reduced.chunks(BLOCK).zip(&self.minima).enumerate();
        for (k, (block, _)) in blocks.filter(|(_, (_, minimum))| **minimum <= bound) {
            let near = block.iter().enumerate().filter(|(_, r)| **r <= bound);
            near.for_each(|(j, _)| visit(k * BLOCK + j));
        }
    }

    /// Calls `visit` for each column where `row[j] − price[j]` is at most `bound`. Returns the least of all.
    #[inline(always)]
    pub(crate) fn near<S: Simd>(
        &mut self,
        simd: S,
        row: &[f64],
        price: &[f64],
        bound: f64,
        mut visit: impl FnMut(usize),
    ) -> f64 {
        self.reduce(simd, row, price);
        let mut least = f64::INFINITY;
        let blocks = self.reduced.chunks(BLOCK).zip(&self.minima).enumerate();
        for (k, (block, &minimum)) in blocks {
            least = least.min(minimum);
            if minimum <= bound {
                let near = block.iter().enumerate().filter(|(_, r)| **r <= bound);
                near.for_each(|(j, _)| visit(k * BLOCK + j));
            }
        }
        least
    }

    /// The least of `row[j] − price[j]`.
    #[inline(always)]
    pub(crate) fn least<S: Simd>(&mut self, simd: S, row: &[f64], price: &[f64]) -> f64 {
        self.reduce(simd, row, price);
        self.minima.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// Writes `row[j] − price[j]`, and the least of each block.
    #[inline(always)]
    fn reduce<S: Simd>(&mut self, simd: S, row: &[f64], price: &[f64]) {
        work::count(row.len());
        let blocks = row
            .chunks(BLOCK)
            .zip(price.chunks(BLOCK))
            .zip(self.reduced.chunks_mut(BLOCK));
        for (((row, price), reduced), minimum) in blocks.zip(&mut self.minima) {
            let ((row, row_tail), (price, price_tail)) =
                (S::as_simd_f64s(row), S::as_simd_f64s(price));
            let (reduced, reduced_tail) = S::as_mut_simd_f64s(reduced);
            let mut least = simd.splat_f64s(f64::INFINITY);
            for ((r, v), out) in row.iter().zip(price).zip(reduced) {
                *out = simd.sub_f64s(*r, *v);
                least = simd.min_f64s(least, *out);
            }
            *minimum = simd.reduce_min_f64s(least);
            for ((r, v), out) in row_tail.iter().zip(price_tail).zip(reduced_tail) {
                *out = r - v;
                *minimum = minimum.min(*out);
            }
        }
    }
}

/// Tentative distances of all columns from the free rows, in a search for shortest paths.
pub(crate) struct Frontier {
    /// −∞ where the distance is final.
    distance: Vec<f64>,
    /// The row through which the distance comes; as f64, which moves in the same vectors.
    through: Vec<f64>,
    /// The place where `through` is written: a conditional store in place costs ten times as much.
    through_next: Vec<f64>,
    minima: Vec<f64>,
}

impl Frontier {
    pub(crate) fn new(n: usize) -> Self {
        Frontier {
            distance: vec![0.0; n],
            through: vec![0.0; n],
            through_next: vec![0.0; n],
            minima: vec![0.0; n.div_ceil(BLOCK)],
        }
    }

    /// Forgets all distances.
    pub(crate) fn clear(&mut self) {
        self.distance.fill(f64::INFINITY);
    }

    /// The row through which the shortest path to a column comes.
    pub(crate) fn through(&self, column: usize) -> usize {
        self.through[column] as usize
    }

    /// Lowers the distances to `offset + row[j] − price[j]` where that is less.
    #[inline(always)]
    pub(crate) fn relax<S: Simd>(
        &mut self,
        simd: S,
        row: &[f64],
        price: &[f64],
        offset: f64,
        i: usize,
    ) {
        work::count(row.len());
        let (infinity, done) = (
            simd.splat_f64s(f64::INFINITY),
            simd.splat_f64s(f64::NEG_INFINITY),
        );
        let (offsets, index) = (simd.splat_f64s(offset), simd.splat_f64s(i as f64));
        let costs = row.chunks(BLOCK).zip(price.chunks(BLOCK));
        let links = self
            .through
            .chunks(BLOCK)
            .zip(self.through_next.chunks_mut(BLOCK));
        let state = self
            .distance
            .chunks_mut(BLOCK)
            .zip(links)
            .zip(&mut self.minima);
        for ((row, price), ((distance, (through, through_next)), minimum)) in costs.zip(state) {
            let ((row, row_tail), (price, price_tail)) =
                (S::as_simd_f64s(row), S::as_simd_f64s(price));
            let (distance, distance_tail) = S::as_mut_simd_f64s(distance);
            let (old, old_tail) = S::as_simd_f64s(through);
            let (new, new_tail) = S::as_mut_simd_f64s(through_next);
            let mut least = infinity;
            for ((((r, v), d), old), new) in row.iter().zip(price).zip(distance).zip(old).zip(new) {
                let candidate = simd.add_f64s(offsets, simd.sub_f64s(*r, *v));
                *new = simd.select_f64s(simd.less_than_f64s(candidate, *d), index, *old);
                *d = simd.min_f64s(candidate, *d);
                let open = simd.select_f64s(simd.equal_f64s(*d, done), infinity, *d);
                least = simd.min_f64s(least, open);
            }
            *minimum = simd.reduce_min_f64s(least);
            let tails = row_tail
                .iter()
                .zip(price_tail)
                .zip(distance_tail)
                .zip(old_tail)
                .zip(new_tail);
            for ((((r, v), d), old), new) in tails {
                let candidate = offset + (r - v);
                *new = if candidate < *d { i as f64 } else { *old };
                *d = candidate.min(*d);
                if *d != f64::NEG_INFINITY {
                    *minimum = minimum.min(*d);
                }
            }
        }
        std::mem::swap(&mut self.through, &mut self.through_next);
    }

    /// Makes the least open distance final; returns its column and itself.
    pub(crate) fn pop(&mut self) -> (usize, f64) {
        let (column, least) = find_minimum(&self.distance, &self.minima);
        self.distance[column] = f64::NEG_INFINITY;
        let block = column / BLOCK;
        let open = self.distance.chunks(BLOCK).nth(block).unwrap_or(&[]);
        self.minima[block] = (open.iter().copied())
            .filter(|&d| d != f64::NEG_INFINITY)
            .fold(f64::INFINITY, f64::min);
        (column, least)
    }
}

/// The first place of the least value, given the minima of the blocks.
#[inline(always)]
fn find_minimum(values: &[f64], minima: &[f64]) -> (usize, f64) {
    let (mut block, mut least) = (0, f64::INFINITY);
    for (k, &minimum) in minima.iter().enumerate() {
        if minimum < least {
            (block, least) = (k, minimum);
        }
    }
    let start = block * BLOCK;
    let place = values[start..].iter().position(|&value| value == least);
    (place.map_or(NONE, |k| start + k), least)
}
