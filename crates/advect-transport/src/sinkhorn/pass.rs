//! One pass over some rows of the kernel: products with the columns' scalings, and with the new ones of the rows.

use advect_kernels::dispatch;
use pulp::{Simd, WithSimd};

/// Rows that are worked on together.
const TOGETHER: usize = 4;
/// Lanes that are compared side by side.
const LANES: usize = 16;

/// New scalings of rows, and what these rows then give to the columns.
pub(super) struct Pass<'a, F> {
    pub(super) values: &'a [f64],
    pub(super) v: &'a [f64],
    pub(super) u: &'a [f64],
    pub(super) next: &'a mut [f64],
    pub(super) sums: &'a mut [f64],
    /// The function from a row's number, its sum and its scaling to the next scaling and its error.
    pub(super) step: F,
}

impl<F: Fn(usize, f64, f64) -> (f64, f64)> WithSimd for Pass<'_, F> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let columns = self.v.len();
        let mut error = 0.0;
        let blocks = self.values.chunks(TOGETHER * columns);
        let scalings = self.u.chunks(TOGETHER).zip(self.next.chunks_mut(TOGETHER));
        for (block, (values, (u, next))) in blocks.zip(scalings).enumerate() {
            let mut row = |k: usize, sum: f64| {
                let (scaling, off) = (self.step)(block * TOGETHER + k, sum, u[k]);
                next[k] = scaling;
                error += off;
                scaling
            };
            if let Some(rows) = split(values, columns) {
                let sums = dots(simd, rows, self.v);
                let factors = [
                    row(0, sums[0]),
                    row(1, sums[1]),
                    row(2, sums[2]),
                    row(3, sums[3]),
                ];
                add(simd, rows, factors, self.sums);
            } else {
                for (k, values) in values.chunks_exact(columns).enumerate() {
                    let [sum] = dots(simd, [values], self.v);
                    add(simd, [values], [row(k, sum)], self.sums);
                }
            }
        }
        error
    }
}

/// Four rows, if there are so many.
#[inline(always)]
fn split(values: &[f64], columns: usize) -> Option<[&[f64]; TOGETHER]> {
    if values.len() != TOGETHER * columns {
        return None;
    }
    let (a, b) = values.split_at(2 * columns);
    let ((a, b), (c, d)) = (a.split_at(columns), b.split_at(columns));
    Some([a, b, c, d])
}

/// The products of rows with a vector.
#[inline(always)]
fn dots<S: Simd, const N: usize>(simd: S, rows: [&[f64]; N], v: &[f64]) -> [f64; N] {
    let (v, v_rest) = S::as_simd_f64s(v);
    let parts = rows.map(|row| S::as_simd_f64s(row));
    let parts = parts.map(|(row, rest)| (&row[..v.len()], rest));
    let mut sums = [simd.splat_f64s(0.0); N];
    for (i, v) in v.iter().enumerate() {
        for (sum, (row, _)) in sums.iter_mut().zip(&parts) {
            *sum = simd.mul_add_e_f64s(row[i], *v, *sum);
        }
    }
    let mut total = [0.0; N];
    for ((total, sum), (_, rest)) in total.iter_mut().zip(sums).zip(parts) {
        let rest = rest.iter().zip(v_rest).map(|(x, v)| x * v);
        *total = simd.reduce_sum_f64s(sum) + rest.sum::<f64>();
    }
    total
}

/// Adds multiples of rows to a vector.
#[inline(always)]
fn add<S: Simd, const N: usize>(simd: S, rows: [&[f64]; N], factors: [f64; N], out: &mut [f64]) {
    let (out, out_rest) = S::as_mut_simd_f64s(out);
    let parts = rows.map(|row| S::as_simd_f64s(row));
    let parts = parts.map(|(row, rest)| (&row[..out.len()], &rest[..out_rest.len()]));
    let splats = factors.map(|factor| simd.splat_f64s(factor));
    for (i, out) in out.iter_mut().enumerate() {
        for ((row, _), factor) in parts.iter().zip(splats) {
            *out = simd.mul_add_e_f64s(row[i], factor, *out);
        }
    }
    for (i, out) in out_rest.iter_mut().enumerate() {
        for ((_, rest), factor) in parts.iter().zip(factors) {
            *out += rest[i] * factor;
        }
    }
}

/// The least of some numbers.
pub(super) fn least(x: &[f64]) -> f64 {
    struct Least<'a>(&'a [f64]);
    impl WithSimd for Least<'_> {
        type Output = f64;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> f64 {
            let mut least = [f64::INFINITY; LANES];
            let chunks = self.0.chunks_exact(LANES);
            let rest = chunks.remainder().iter().copied();
            let rest = rest.fold(f64::INFINITY, f64::min);
            for chunk in chunks {
                for (least, x) in least.iter_mut().zip(chunk) {
                    *least = if *x < *least { *x } else { *least };
                }
            }
            least.into_iter().fold(rest, f64::min)
        }
    }
    dispatch(Least(x))
}
