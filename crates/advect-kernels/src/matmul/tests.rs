//! Products against their definition, at sizes around those of tiles, groups and packed blocks.

use pulp::{Simd, WithSimd};

use super::{Finish, GROUP, Right, Start, multiply};
use crate::matrix::{DEPTH, Matrix, PANEL, Packed};
use crate::vectorize::{LEVEL, Level};
use crate::{Float, Kernels, dispatch};

struct Product<'a, T: Float> {
    a: Matrix<'a, T>,
    b: &'a Packed<T>,
    row: &'a [T],
    c: &'a mut [T],
    /// The first row of each call of `finish`, and the number of values.
    finished: Vec<(usize, usize)>,
}

impl<T: Float> Finish<T> for Vec<(usize, usize)> {
    fn rows<S: Simd>(&mut self, _: S, first: usize, rows: &mut [T]) {
        self.push((first, rows.len()));
    }
}

impl<T: Float> WithSimd for Product<'_, T> {
    type Output = Vec<(usize, usize)>;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) -> Self::Output {
        let (right, start) = (Right::Packed(self.b), Start::Row(self.row));
        let stride = self.row.len();
        let finish = &mut self.finished;
        multiply(simd, self.a, right, self.c, stride, start, Some(finish));
        self.finished
    }
}

fn check<T: Kernels>(rows: usize, inner: usize, columns: usize, tolerance: f64) {
    let number = |i: usize| (i * 7919 % 2003) as f64 / 1001.5 - 1.0;
    let numbers = |count: usize, from: usize| (from..from + count).map(number);
    let a: Vec<T> = numbers(rows * inner, 0).map(T::of).collect();
    let b: Vec<T> = numbers(inner * columns, 1).map(T::of).collect();
    let row: Vec<T> = numbers(columns, 2).map(T::of).collect();
    let packed = Packed::new(Matrix::new(&b, inner, columns));
    let lines = Matrix::new(&a, rows, inner);
    let mut turned = vec![T::ZERO; rows * inner];
    lines.transposed().copy_to(&mut turned);
    let turned = Matrix::new(&turned, inner, rows).transposed();
    for (layout, a) in [lines, turned].into_iter().enumerate() {
        let mut c = vec![T::ZERO; rows * columns];
        let finished = dispatch(Product {
            a,
            b: &packed,
            row: &row,
            c: &mut c,
            finished: Vec::new(),
        });
        // Each row once, in order.
        let mut next = 0;
        for (first, count) in finished {
            assert_eq!(first, next);
            next += count / columns;
        }
        assert_eq!(next, rows);
        for i in 0..rows {
            for j in 0..columns {
                let terms = (0..inner).map(|k| (lines.values[i * inner + k], b[k * columns + j]));
                let sum: f64 = terms.map(|(a, b)| a.to_f64() * b.to_f64()).sum();
                let expected = row[j].to_f64() + sum;
                let found = c[i * columns + j].to_f64();
                let error = (found - expected).abs();
                assert!(
                    error <= tolerance * (1.0 + inner as f64),
                    "{rows} {inner} {columns}, layout {layout}, at {i}, {j}: {found} {expected}"
                );
            }
        }
    }
}

#[test]
fn products_at_all_sizes_of_tiles() {
    if cfg!(miri) {
        // It takes a second for some hundred terms.
        for (rows, columns) in [(1, 1), (5, PANEL), (7, 5)] {
            check::<f32>(rows, 2, columns, 1e-6);
            check::<f64>(rows, 3, columns, 1e-15);
        }
        return;
    }
    for level in [Level::Scalar, Level::Avx2, Level::Widest] {
        LEVEL.set(level);
        for rows in (1..=17).chain([GROUP - 1, GROUP, GROUP + 1, 2 * GROUP + 7]) {
            for columns in [1, 5, 16, PANEL, PANEL + 3] {
                check::<f32>(rows, 6, columns, 1e-6);
                check::<f64>(rows, 7, columns, 1e-15);
            }
        }
        for inner in [1, 200, DEPTH, DEPTH + 1] {
            check::<f32>(GROUP + 5, inner, PANEL + 1, 1e-6);
            check::<f64>(GROUP + 5, inner, PANEL + 1, 1e-15);
        }
    }
    LEVEL.set(Level::Widest);
}
