//! Rows of numbers to columns, and back.

use crate::{Float, Unwritten};

/// Copies rows of a width to columns, which are `stride` apart.
#[inline(always)]
pub(super) fn split<T: Copy>(rows: &[T], width: usize, columns: &mut [T], stride: usize) {
    match width {
        0 => {}
        1 => columns[..rows.len()].copy_from_slice(rows),
        2 => split_fixed::<T, 2>(rows, columns, stride),
        3 => split_fixed::<T, 3>(rows, columns, stride),
        4 => split_fixed::<T, 4>(rows, columns, stride),
        _ => {
            for (j, column) in columns.chunks_mut(stride).take(width).enumerate() {
                for (x, row) in column.iter_mut().zip(rows.chunks_exact(width)) {
                    *x = row[j];
                }
            }
        }
    }
}

/// The same for a width known to the compiler, which shuffles vectors then.
#[inline(always)]
fn split_fixed<T: Copy, const W: usize>(rows: &[T], columns: &mut [T], stride: usize) {
    let (rows, _) = rows.as_chunks::<W>();
    let n = rows.len();
    let mut each = columns.chunks_mut(stride);
    let columns: [&mut [T]; W] = std::array::from_fn(|_| &mut each.next().unwrap_or_default()[..n]);
    for (i, row) in rows.iter().enumerate() {
        for j in 0..W {
            columns[j][i] = row[j];
        }
    }
}

/// Writes rows of a width, whose columns `column` knows.
#[inline(always)]
pub(super) fn join<'a, 'b, T: Float>(
    rows: Unwritten<'b, T>,
    width: usize,
    column: impl Fn(usize) -> &'a [T],
) -> &'b mut [T] {
    match width {
        1 => join_fixed::<T, 1>(rows, [column(0)]),
        2 => join_fixed::<T, 2>(rows, [column(0), column(1)]),
        3 => join_fixed::<T, 3>(rows, [column(0), column(1), column(2)]),
        4 => join_fixed::<T, 4>(rows, [column(0), column(1), column(2), column(3)]),
        _ => rows.write_runs(width, |i, row| row.write(|j| column(j)[i])),
    }
}

#[inline(always)]
fn join_fixed<'b, T: Float, const W: usize>(
    rows: Unwritten<'b, T>,
    columns: [&[T]; W],
) -> &'b mut [T] {
    let n = rows.len() / W;
    let columns = columns.map(|column| &column[..n]);
    rows.write_rows::<W>(|i| columns.map(|column| column[i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for width in 1..=6 {
            for n in [1, 3, 8, 13] {
                let rows: Vec<f64> = (0..n * width).map(|k| k as f64).collect();
                let stride = n + 2;
                let mut columns = vec![0.0; width * stride];
                split(&rows, width, &mut columns, stride);
                for (k, &x) in rows.iter().enumerate() {
                    assert_eq!(columns[k % width * stride + k / width], x);
                }
                let mut back = vec![0.0; n * width];
                join(Unwritten::over(&mut back), width, |j| {
                    &columns[j * stride..][..n]
                });
                assert_eq!(back, rows);
            }
        }
    }
}
