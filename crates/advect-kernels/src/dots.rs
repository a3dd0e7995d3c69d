//! Products of few rows, by dot products: nothing is packed.

use pulp::Simd;

use crate::Float;
use crate::matmul::Finish;
use crate::matrix::Matrix;

/// `C = A Bᵀ`, plus a row that is added to all rows, for few rows of A or B, whose rows are contiguous.
/// `finish` as for [`multiply`](super::matmul::multiply).
#[inline(always)]
pub(crate) fn multiply_transposed<S: Simd, T: Float>(
    simd: S,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    start: Option<&[T]>,
    c: &mut [T],
    finish: &mut impl Finish<T>,
) {
    assert!(a.columns == b.columns && a.column_stride == 1 && b.column_stride == 1);
    if b.rows == 0 {
        return;
    }
    for (i, c) in c.chunks_exact_mut(b.rows).take(a.rows).enumerate() {
        let x = &a.values[i * a.row_stride..][..a.columns];
        // Fewer columns than a vector has lanes: vectors of outputs instead.
        let near = b.row_stride == b.columns;
        let mut j = match (near, b.columns) {
            (true, 1) => narrow::<S, T, 1>(x, b.values, c),
            (true, 2) => narrow::<S, T, 2>(x, b.values, c),
            (true, 3) => narrow::<S, T, 3>(x, b.values, c),
            (true, 4) => narrow::<S, T, 4>(x, b.values, c),
            (true, 5) => narrow::<S, T, 5>(x, b.values, c),
            (true, columns) => match (columns / T::lanes::<S>(), columns % T::lanes::<S>()) {
                (1, 0) => short::<S, T, 1>(simd, x, b.values, c),
                (2, 0) => short::<S, T, 2>(simd, x, b.values, c),
                (4, 0) => short::<S, T, 4>(simd, x, b.values, c),
                (8, 0) => short::<S, T, 8>(simd, x, b.values, c),
                _ => 0,
            },
            _ => 0,
        };
        while j + 8 <= b.rows {
            let row = |r: usize| &b.values[(j + r) * b.row_stride..][..b.columns];
            let rows = [
                row(0),
                row(1),
                row(2),
                row(3),
                row(4),
                row(5),
                row(6),
                row(7),
            ];
            c[j..j + 8].copy_from_slice(&dots::<S, T, 8>(simd, x, rows));
            j += 8;
        }
        while j < b.rows {
            let row = &b.values[j * b.row_stride..][..b.columns];
            c[j..j + 1].copy_from_slice(&dots::<S, T, 1>(simd, x, [row]));
            j += 1;
        }
        if let Some(start) = start {
            for (c, start) in c.iter_mut().zip(start) {
                *c += *start;
            }
        }
        finish.rows(simd, i, c);
    }
}

/// The products of x with all rows, of K columns, that lie one after the other. Returns their number.
#[inline(always)]
fn narrow<S: Simd, T: Float, const K: usize>(x: &[T], rows: &[T], c: &mut [T]) -> usize {
    let mut fixed = [T::ZERO; K];
    fixed.copy_from_slice(x);
    let (rows, _) = rows.as_chunks::<K>();
    for (c, row) in c.iter_mut().zip(rows) {
        let mut sum = T::ZERO;
        for (x, w) in fixed.iter().zip(row) {
            sum = x.madd::<S>(*w, sum);
        }
        *c = sum;
    }
    c.len()
}

/// The products of x, N vectors that stay in registers, with all rows, that lie one after the other. Returns their number.
#[inline(always)]
fn short<S: Simd, T: Float, const N: usize>(simd: S, x: &[T], rows: &[T], c: &mut [T]) -> usize {
    let mut fixed = [T::splat(simd, T::ZERO); N];
    fixed.copy_from_slice(T::vectors::<S>(x).0);
    let (rows, _) = T::vectors::<S>(rows).0.as_chunks::<N>();
    for (c, row) in c.iter_mut().zip(rows) {
        // Two sums, as each waits for itself.
        let mut sums = [T::splat(simd, T::ZERO); 2];
        for (k, (x, w)) in fixed.iter().zip(row).enumerate() {
            sums[k % 2] = T::fused(simd, *x, *w, sums[k % 2]);
        }
        *c = T::total(simd, T::plus(simd, sums[0], sums[1]));
    }
    c.len()
}

/// The products of x with some rows of its length.
#[inline(always)]
fn dots<S: Simd, T: Float, const R: usize>(simd: S, x: &[T], rows: [&[T]; R]) -> [T; R] {
    let (vectors, tail) = T::vectors::<S>(x);
    let mut whole: [&[T::Vector<S>]; R] = [&[]; R];
    let mut rests: [&[T]; R] = [&[]; R];
    for ((whole, rest), row) in whole.iter_mut().zip(&mut rests).zip(rows) {
        let (vectors_of_row, rest_of_row) = T::vectors::<S>(row);
        (*whole, *rest) = (&vectors_of_row[..vectors.len()], rest_of_row);
    }
    let mut sums = [T::splat(simd, T::ZERO); R];
    for (k, x) in vectors.iter().enumerate() {
        for (sum, row) in sums.iter_mut().zip(whole) {
            *sum = T::fused(simd, *x, row[k], *sum);
        }
    }
    let mut totals = [T::ZERO; R];
    for (total, (sum, rest)) in totals.iter_mut().zip(sums.into_iter().zip(rests)) {
        if !vectors.is_empty() {
            *total = T::total(simd, sum);
        }
        for (x, w) in tail.iter().zip(rest) {
            *total += *x * *w;
        }
    }
    totals
}
