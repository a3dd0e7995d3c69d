//! Factorised matrices: `P M = L U` with partial pivoting (Golub and Van Loan, Matrix Computations, 4th ed., algorithm
//! 3.4.1).

/// A square matrix, factorised to solve equations with it and with its transpose.
#[derive(Debug, Clone)]
pub(crate) struct Lu {
    size: usize,
    /// L below the diagonal, whose own is 1, and U above, row by row.
    factors: Vec<f64>,
    /// The row that was put in the place of each row, when its turn came.
    swaps: Vec<usize>,
}

impl Lu {
    /// Factorises a matrix of `size` rows; `None` if it is singular or not finite.
    pub(crate) fn new(size: usize, mut matrix: Vec<f64>) -> Option<Self> {
        let mut swaps = Vec::with_capacity(size);
        for column in 0..size {
            let magnitude = |row: &usize| matrix[row * size + column].abs();
            let pivot = (column..size).max_by(|a, b| magnitude(a).total_cmp(&magnitude(b)))?;
            let largest = matrix[pivot * size + column];
            if largest == 0.0 || !largest.is_finite() {
                return None;
            }
            swaps.push(pivot);
            if pivot != column {
                for j in 0..size {
                    matrix.swap(column * size + j, pivot * size + j);
                }
            }
            let (above, below) = matrix.split_at_mut((column + 1) * size);
            let pivot_row = &above[column * size..];
            for row in below.chunks_exact_mut(size) {
                let factor = row[column] / largest;
                row[column] = factor;
                if factor != 0.0 {
                    let rest = row[column + 1..].iter_mut().zip(&pivot_row[column + 1..]);
                    rest.for_each(|(value, pivot)| *value -= factor * pivot);
                }
            }
        }
        Some(Lu {
            size,
            factors: matrix,
            swaps,
        })
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.factors[i * self.size..(i + 1) * self.size]
    }

    /// Solves `M x = b` in place.
    pub(crate) fn solve(&self, b: &mut [f64]) {
        for (i, &pivot) in self.swaps.iter().enumerate() {
            b.swap(i, pivot);
        }
        for i in 0..self.size {
            b[i] -= dot(&self.row(i)[..i], &b[..i]);
        }
        for i in (0..self.size).rev() {
            let row = self.row(i);
            b[i] = (b[i] - dot(&row[i + 1..], &b[i + 1..])) / row[i];
        }
    }

    /// Solves `Mᵀ x = b` in place.
    pub(crate) fn solve_transposed(&self, b: &mut [f64]) {
        for i in 0..self.size {
            let row = self.row(i);
            b[i] /= row[i];
            let known = b[i];
            let rest = b[i + 1..].iter_mut().zip(&row[i + 1..]);
            rest.for_each(|(b, u)| *b -= u * known);
        }
        for i in (0..self.size).rev() {
            let known = b[i];
            let rest = b[..i].iter_mut().zip(self.row(i));
            rest.for_each(|(b, l)| *b -= l * known);
        }
        for (i, &pivot) in self.swaps.iter().enumerate().rev() {
            b.swap(i, pivot);
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A matrix whose first pivots are 0, against the product with a known solution.
    #[test]
    fn solves_with_the_matrix_and_its_transpose() {
        let m = [0.0, 2.0, 1.0, 4.0, 0.0, -3.0, 8.0, 1.0, 0.5];
        let lu = Lu::new(3, m.to_vec()).unwrap();
        let known = [1.0, -2.0, 3.0];
        let at = |i: usize, j: usize| m[3 * i + j];
        let mut b: Vec<f64> = (0..3)
            .map(|i| (0..3).map(|j| at(i, j) * known[j]).sum())
            .collect();
        lu.solve(&mut b);
        let mut transposed: Vec<f64> = (0..3)
            .map(|i| (0..3).map(|j| at(j, i) * known[j]).sum())
            .collect();
        lu.solve_transposed(&mut transposed);
        for (x, known) in b.iter().chain(&transposed).zip(known.iter().cycle()) {
            assert!((x - known).abs() < 1e-14, "{x}, not {known}");
        }
    }

    #[test]
    fn singular_and_infinite_matrices_have_no_factors() {
        assert!(Lu::new(2, vec![1.0, 2.0, 2.0, 4.0]).is_none());
        assert!(Lu::new(2, vec![1.0, f64::NAN, 2.0, 4.0]).is_none());
        assert!(Lu::new(1, vec![f64::INFINITY]).is_none());
    }
}
