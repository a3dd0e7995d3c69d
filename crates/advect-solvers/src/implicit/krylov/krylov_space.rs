//! The directions that a Krylov method has tried, for one sample.

use super::gmres::length;

/// What is left of a product orthogonal to the directions before, in parts of its length, where it counts as none.
const NOTHING: f64 = 1e-14;
/// What is left of a product, in parts of its length, below which its parts are removed once more (Daniel, Gragg, Kaufman and
/// Stewart, Math. Comp. 30, 1976).
const MOST: f64 = 0.7;

/// An orthonormal basis of the products of a matrix with a residual, and the least-squares problem in it: Arnoldi's process by
/// modified Gram–Schmidt, and Givens' rotations (Saad, Iterative Methods for Sparse Linear Systems, 2nd ed., algorithm 6.9
/// and section 6.5.3).
#[derive(Debug)]
pub(super) struct KrylovSpace {
    basis: Vec<Vec<f64>>,
    /// The columns of the triangular matrix.
    columns: Vec<Vec<f64>>,
    rotations: Vec<(f64, f64)>,
    /// The rotated right side; the last element is what is left.
    right: Vec<f64>,
}

/// A space after another product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extended {
    Open,
    /// The product was no new direction.
    Complete,
    NonFinite,
}

impl KrylovSpace {
    /// Begins with a residual of a length.
    pub(super) fn new(residual: &[f64], length: f64) -> Self {
        KrylovSpace {
            basis: vec![residual.iter().map(|r| r / length).collect()],
            columns: Vec::new(),
            rotations: Vec::new(),
            right: vec![length],
        }
    }

    /// The direction whose product is wanted next.
    pub(super) fn last(&self) -> Option<&[f64]> {
        self.basis.last().map(Vec::as_slice)
    }

    /// The length of the least residual.
    pub(super) fn residual(&self) -> f64 {
        self.right.last().map_or(0.0, |last| last.abs())
    }

    /// Takes the product of the last direction.
    pub(super) fn extend(&mut self, mut product: Vec<f64>) -> Extended {
        let whole = length(&product);
        if !whole.is_finite() {
            return Extended::NonFinite;
        }
        let mut column = vec![0.0; self.basis.len()];
        let mut new = self.remove(&mut product, &mut column);
        // Where most of the product was removed, rounding left parts along the directions.
        if new < MOST * whole {
            new = self.remove(&mut product, &mut column);
        }
        for (i, (cos, sin)) in self.rotations.iter().enumerate() {
            let (a, b) = (column[i], column[i + 1]);
            (column[i], column[i + 1]) = (cos * a + sin * b, cos * b - sin * a);
        }
        let complete = new <= NOTHING * whole;
        let diagonal = column.last().copied().unwrap_or(0.0);
        let rotated = diagonal.hypot(new);
        let (cos, sin) = match rotated > NOTHING * whole {
            true => (diagonal / rotated, new / rotated),
            false => (0.0, 1.0),
        };
        if let (Some(diagonal), Some(last)) = (column.last_mut(), self.right.last_mut()) {
            *diagonal = if cos == 0.0 && complete { 0.0 } else { rotated };
            let before = *last;
            *last = cos * before;
            self.right.push(-sin * before);
        }
        self.columns.push(column);
        self.rotations.push((cos, sin));
        if complete {
            return Extended::Complete;
        }
        self.basis
            .push(product.into_iter().map(|p| p / new).collect());
        Extended::Open
    }

    /// Removes from a product its parts along the directions, adds them to a column, and returns the length of the rest.
    fn remove(&self, product: &mut [f64], column: &mut [f64]) -> f64 {
        for (direction, sum) in self.basis.iter().zip(column) {
            let part: f64 = direction.iter().zip(&*product).map(|(a, b)| a * b).sum();
            let pairs = product.iter_mut().zip(direction);
            pairs.for_each(|(p, d)| *p -= part * d);
            *sum += part;
        }
        length(product)
    }

    /// Adds the combination of the directions with the least residual.
    pub(super) fn add_to(&self, x: &mut [f64]) {
        let mut weights = self.right[..self.columns.len()].to_vec();
        for j in (0..weights.len()).rev() {
            let column = &self.columns[j];
            weights[j] = match column[j] {
                0.0 => 0.0,
                diagonal => weights[j] / diagonal,
            };
            let known = weights[j];
            let rest = weights[..j].iter_mut().zip(column);
            rest.for_each(|(w, r)| *w -= known * r);
        }
        for (weight, direction) in weights.into_iter().zip(&self.basis) {
            let pairs = x.iter_mut().zip(direction);
            pairs.for_each(|(x, d)| *x += weight * d);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A matrix that is nearly the unit matrix changes directions by little, so that nearly all of a product is removed.
    #[test]
    fn directions_are_orthogonal_up_to_rounding() {
        let start: Vec<f64> = (0..60).map(|e| 1.0 + (e as f64).sin()).collect();
        let mut space = KrylovSpace::new(&start, length(&start));
        for _ in 0..30 {
            let last = space.last().unwrap().to_vec();
            let product = last.iter().enumerate();
            let product = product.map(|(e, x)| x * (1.0 + 1e-8 * e as f64));
            assert_eq!(space.extend(product.collect()), Extended::Open);
        }
        for (i, a) in space.basis.iter().enumerate() {
            for (j, b) in space.basis.iter().enumerate() {
                let product: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                let expected = if i == j { 1.0 } else { 0.0 };
                assert!((product - expected).abs() < 1e-14, "{i}, {j}: {product}");
            }
        }
    }
}
