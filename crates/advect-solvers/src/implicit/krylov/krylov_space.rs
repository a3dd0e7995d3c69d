//! The directions that a Krylov method has tried, for one sample.

use super::gmres::length;

/// What is left of a product orthogonal to the directions before, in parts of its length, where it counts as none.
const NOTHING: f64 = 1e-14;

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
        let mut column = Vec::with_capacity(self.basis.len());
        for direction in &self.basis {
            let part: f64 = direction.iter().zip(&product).map(|(a, b)| a * b).sum();
            let pairs = product.iter_mut().zip(direction);
            pairs.for_each(|(p, d)| *p -= part * d);
            column.push(part);
        }
        let new = length(&product);
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
