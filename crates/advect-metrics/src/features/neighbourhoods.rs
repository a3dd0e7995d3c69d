//! Balls around samples that reach to their nearest neighbours.

use advect_core::{Error, Result, parallel};
use candle_core::Tensor;

use super::row_pair;
use crate::scaled::unit;

/// Rows of distances that are in memory at a time.
const ROWS: usize = 512;
/// The squared distance of equal features, relative to their squares: rounding of the product.
const SAME: f64 = 1e-13;

/// Two sets of features as rows, divided by one power of two if their squares would overflow or vanish: which of them are near does not change.
pub(super) fn comparable(
    x: (&'static str, &Tensor),
    y: (&'static str, &Tensor),
) -> Result<[Tensor; 2]> {
    let (x, y) = row_pair(x, y)?;
    let largest = |x: &Tensor| -> Result<f64> { Ok(x.abs()?.max_all()?.to_scalar()?) };
    match unit(largest(&x)?.max(largest(&y)?)) {
        1.0 => Ok([x, y]),
        unit => Ok([(x / unit)?, (y / unit)?]),
    }
}

/// A set of features, with the squared distance of each to its k-th nearest neighbour among the others.
pub(super) struct Neighbourhoods {
    features: Tensor,
    radii: Vec<f64>,
}

impl Neighbourhoods {
    /// # Errors
    /// [`Error::Range`] naming `argument` unless there are more samples than `neighbours`, and for no neighbours.
    pub(super) fn new(
        argument: &'static str,
        features: &Tensor,
        neighbours: usize,
    ) -> Result<Self> {
        let count = features.dim(0)?;
        if neighbours == 0 {
            return Err(Error::range("neighbours", neighbours, "at least 1"));
        }
        if count <= neighbours {
            let given = format!("{count} samples");
            let accepted = format!("more samples than neighbours, {neighbours}");
            return Err(Error::range(argument, given, accepted));
        }
        let mut radii = vec![0.0; count];
        // The nearest of all is the sample itself.
        each_row(features, features, |i, row| {
            let (_, radius, _) = row.select_nth_unstable_by(neighbours, f64::total_cmp);
            radii[i] = *radius;
        })?;
        let features = features.clone();
        Ok(Neighbourhoods { features, radii })
    }

    /// The number of balls around each of the points, `(n, d)`.
    pub(super) fn around(&self, points: &Tensor) -> Result<Vec<usize>> {
        let mut counts = vec![0; points.dim(0)?];
        each_row(points, &self.features, |i, row| {
            let inside = row.iter().zip(&self.radii).filter(|(d, r)| d <= r);
            counts[i] = inside.count();
        })?;
        Ok(counts)
    }

    /// The share of balls with one of the points in them.
    pub(super) fn occupied(&self, points: &Tensor) -> Result<f64> {
        let mut occupied = 0;
        each_row(&self.features, points, |i, row| {
            occupied += usize::from(row.iter().any(|d| *d <= self.radii[i]));
        })?;
        Ok(occupied as f64 / self.radii.len() as f64)
    }
}

/// The share of counts that are not 0.
pub(super) fn share_above_zero(counts: &[usize]) -> f64 {
    counts.iter().filter(|count| **count > 0).count() as f64 / counts.len() as f64
}

/// Calls `f` with each row `|x_i − y_j|²` of squared distances, in order. They are `|x|² + |y|² − 2 x · y`, seen from the mean of y.
fn each_row(x: &Tensor, y: &Tensor, mut f: impl FnMut(usize, &mut [f64])) -> Result<()> {
    let origin = y.mean_keepdim(0)?;
    let (x, y) = (x.broadcast_sub(&origin)?, y.broadcast_sub(&origin)?);
    let squares = |x: &Tensor| -> Result<Vec<f64>> { Ok(x.sqr()?.sum(1)?.to_vec1()?) };
    let (x_squares, y_squares) = (squares(&x)?, squares(&y)?);
    let (columns, count) = (y.t()?.contiguous()?, x.dim(0)?);
    for first in (0..count).step_by(ROWS) {
        let rows = x.narrow(0, first, ROWS.min(count - first))?.contiguous()?;
        let mut distances = rows.matmul(&columns)?.flatten_all()?.to_vec1::<f64>()?;
        let time = distances.len();
        let items = distances
            .chunks_mut(y_squares.len())
            .zip(&x_squares[first..]);
        parallel::each(items.collect(), time, |(row, x)| {
            for (d, y) in row.iter_mut().zip(&y_squares) {
                let both = x + y;
                *d = both - 2.0 * *d;
                if *d < SAME * both {
                    *d = 0.0;
                }
            }
        });
        for (i, row) in distances.chunks_mut(y_squares.len()).enumerate() {
            f(first + i, row);
        }
    }
    Ok(())
}
