//! Matrices of costs with rows and columns exchanged.

use super::Cost;

/// The number of rows that are transposed together.
const BLOCK: usize = 16;

impl Cost {
    /// The matrix of costs from columns to rows.
    pub(crate) fn transposed(&self) -> Self {
        let mut values = vec![0.0; self.values.len()];
        // A few rows at a time, so that what is written lies together.
        for (k, rows) in self.values.chunks(BLOCK * self.columns).enumerate() {
            for j in 0..self.columns {
                let column = rows.iter().skip(j).step_by(self.columns);
                let start = j * self.rows + BLOCK * k;
                (values[start..].iter_mut().zip(column)).for_each(|(v, c)| *v = *c);
            }
        }
        Cost {
            values,
            rows: self.columns,
            columns: self.rows,
            ..*self
        }
    }

    /// As [`Cost::transposed`]; a square matrix in its own memory.
    pub(crate) fn into_transposed(mut self) -> Self {
        let n = self.rows;
        if self.columns != n {
            return self.transposed();
        }
        // Block by block, so that what is read down a column stays in the cache.
        for top in (0..n).step_by(BLOCK) {
            for left in (top..n).step_by(BLOCK) {
                for i in top..n.min(top + BLOCK) {
                    for j in left.max(i + 1)..n.min(left + BLOCK) {
                        self.values.swap(i * n + j, j * n + i);
                    }
                }
            }
        }
        self
    }
}
