//! The Cholesky factor of a covariance of any rank.

use advect_core::{Error, Result, parallel};
use candle_core::{Device, Tensor};

use super::{ROWS, dot};

/// What may be below zero on the diagonal, relative to the largest element: covariances from files may have been f32.
const NEGATIVE: f64 = 1e-5;
/// How far pivots may bring the diagonal below zero, relative to the largest element: what the rounding of covariances in f32 does.
const NOISE: f64 = 1e-6;

/// A factor F, `(d, rank)`, of a covariance `Σ = F Fᵀ`, `(d, d)`, by Cholesky's algorithm with pivots: a covariance without full rank has as
/// many columns as its rank.
pub(crate) struct Factor {
    /// `(d, rank)`, f64, on the CPU.
    pub(crate) columns: Tensor,
    pub(crate) rank: usize,
}

impl Factor {
    /// Factors a covariance of `dim` rows, one after the other.
    ///
    /// # Errors
    /// [`Error::Range`] naming `argument` if it has a negative eigenvalue that is no rounding.
    pub(crate) fn new(argument: &'static str, covariance: &[f64], dim: usize) -> Result<Self> {
        // What is left of the diagonal, and of rows that are no pivot yet.
        let mut left: Vec<f64> = (0..dim).map(|i| covariance[i * dim + i]).collect();
        let largest = left.iter().copied().fold(0.0, f64::max);
        let least = largest * (dim as f64 * f64::EPSILON);
        let floor = left.iter().copied().fold(0.0, f64::min) - NOISE * largest;
        let mut rows = vec![0.0; dim * dim];
        let mut rank = 0;
        while rank < dim {
            let pivot = (0..dim).max_by(|&a, &b| left[a].total_cmp(&left[b]));
            let Some(pivot) = pivot.filter(|&pivot| left[pivot] > least) else {
                break;
            };
            let scale = left[pivot].sqrt();
            let known = rows[pivot * dim..pivot * dim + rank].to_vec();
            let column = &covariance[pivot * dim..(pivot + 1) * dim];
            let blocks = rows.chunks_mut(ROWS * dim).zip(left.chunks(ROWS));
            let blocks = blocks.zip(column.chunks(ROWS)).collect();
            parallel::each(blocks, dim * (rank + 1) / 2, |((rows, left), column)| {
                for ((row, left), c) in rows.chunks_mut(dim).zip(left).zip(column) {
                    // Pivots are done.
                    if *left != f64::NEG_INFINITY {
                        row[rank] = (c - dot(&row[..rank], &known)) / scale;
                    }
                }
            });
            // What is left of a covariance has elements `c² ≤` the product of their diagonal ones. A pivot far below the rounding of its row is
            // noise, and what is left with it is judged as such.
            let column = rows.iter().skip(rank).step_by(dim);
            let next: Vec<f64> = (left.iter().zip(column).map(|(left, x)| left - x * x)).collect();
            let fits = |(left, next): (&f64, &f64)| *left == f64::NEG_INFINITY || *next >= floor;
            if !left.iter().zip(&next).all(fits) {
                break;
            }
            left = next;
            rows[pivot * dim + rank] = scale;
            left[pivot] = f64::NEG_INFINITY;
            rank += 1;
        }
        let lowest = left.iter().copied().filter(|left| left.is_finite());
        let lowest = lowest.fold(0.0, f64::min);
        let beside = largest_beside(covariance, &rows, &left, rank);
        let zero = dim > 0 && largest == 0.0 && (lowest < 0.0 || beside > 0.0);
        if lowest.min(-beside) < -NEGATIVE * largest || zero {
            let accepted = "a covariance, which has no negative eigenvalue";
            return Err(Error::range(argument, "a matrix that has one", accepted));
        }
        let columns = Tensor::from_vec(rows, (dim, dim), &Device::Cpu)?;
        let columns = columns.narrow(1, 0, rank)?.contiguous()?;
        Ok(Factor { columns, rank })
    }
}

/// The largest of what is left off the diagonal, of rows that are no pivot. With next to nothing on the diagonal, a covariance has next to
/// nothing beside it.
fn largest_beside(covariance: &[f64], rows: &[f64], left: &[f64], rank: usize) -> f64 {
    let dim = left.len();
    let others: Vec<usize> = (0..dim).filter(|&i| left[i].is_finite()).collect();
    let mut largest = vec![0.0f64; others.len()];
    let of_rows = others.iter().zip(&mut largest).collect();
    parallel::each(of_rows, others.len() * (rank + 1), |(&i, largest)| {
        let known = &rows[i * dim..i * dim + rank];
        for &j in others.iter().filter(|&&j| j != i) {
            let left = covariance[i * dim + j] - dot(known, &rows[j * dim..j * dim + rank]);
            *largest = largest.max(left.abs());
        }
    });
    largest.into_iter().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_gives_its_covariance_back() {
        // Rank 2 in three dimensions, the first of them constant.
        let sigma = [0.0, 0.0, 0.0, 0.0, 4.0, 2.0, 0.0, 2.0, 10.0];
        let factor = Factor::new("covariance", &sigma, 3).unwrap();
        assert_eq!(factor.rank, 2);
        let again = factor.columns.matmul(&factor.columns.t().unwrap()).unwrap();
        let again = again.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        for (a, b) in again.iter().zip(sigma) {
            assert!((a - b).abs() < 1e-14, "{again:?}");
        }
        for (bad, dim) in [
            (&[1.0, 2.0, 2.0, 1.0][..], 2),
            (&[0.0, 1.0, 1.0, 0.0], 2),
            (&[1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0], 3),
        ] {
            let error = Factor::new("covariance", bad, dim).err().unwrap();
            assert!(error.to_string().contains("negative eigenvalue"), "{error}");
        }
        assert_eq!(Factor::new("covariance", &[0.0; 4], 2).unwrap().rank, 0);
    }

    /// Covariances of low rank that have been rounded to f32: what rounding leaves is no direction of its own, and no negative
    /// eigenvalue.
    #[test]
    fn rounding_is_no_direction() {
        let v = [
            0.0844667555063645,
            -0.3531982696503235,
            -0.03852174189029013,
        ];
        for scale in [1.0, 1e-12, 1e20] {
            let sigma: Vec<f64> = (v.iter())
                .flat_map(|x| v.map(|y| f64::from((scale * x * y) as f32)))
                .collect();
            let factor = Factor::new("covariance", &sigma, 3).unwrap();
            let again = factor.columns.matmul(&factor.columns.t().unwrap()).unwrap();
            let again = again.flatten_all().unwrap().to_vec1::<f64>().unwrap();
            for (a, b) in again.iter().zip(sigma) {
                assert!((a - b).abs() < 2.0 * NOISE * scale * 0.125, "{again:?}");
            }
        }
        // Twenty dimensions, of rank 5 and of rank 19.
        for (rank, step) in [(5, 0.5f64), (19, 0.8)] {
            let factor =
                |i: usize, k: usize| step.powi(k as i32) * (((i + 1) * (k + 2)) as f64 * 1.7).sin();
            let element = |i: usize, j: usize| -> f64 {
                (0..rank).map(|k| factor(i, k) * factor(j, k)).sum()
            };
            let sigma: Vec<f64> = (0..400)
                .map(|at| f64::from(element(at / 20, at % 20) as f32))
                .collect();
            let found = Factor::new("covariance", &sigma, 20).unwrap();
            assert!(found.rank >= rank.min(10), "{}", found.rank);
            let again = found.columns.matmul(&found.columns.t().unwrap()).unwrap();
            let again = again.flatten_all().unwrap().to_vec1::<f64>().unwrap();
            for (a, b) in again.iter().zip(sigma) {
                assert!((a - b).abs() < 1e-5, "{a} {b}");
            }
        }
    }
}
