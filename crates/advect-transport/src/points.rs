//! Point clouds on the host, laid out for distances from one point to all others.

use advect_core::{Error, Result, check};
use candle_core::{DType, Device, Tensor};

/// Two batches of samples as rows, checked to lie in the same space, and to be finite.
pub(crate) fn row_pair(
    x: (&'static str, &Tensor),
    y: (&'static str, &Tensor),
) -> Result<(Tensor, Tensor)> {
    let rows = shaped_pair(x, y)?;
    check::finite(x.0, &rows.0)?;
    check::finite(y.0, &rows.1)?;
    Ok(rows)
}

/// Two batches of samples as rows, checked to lie in the same space; not finite perhaps.
pub(crate) fn shaped_pair(
    (x_name, x): (&'static str, &Tensor),
    (y_name, y): (&'static str, &Tensor),
) -> Result<(Tensor, Tensor)> {
    let (x_rows, y_rows) = (rows(x_name, x)?, rows(y_name, y)?);
    let dim = x_rows.dim(1)?;
    if y_rows.dim(1)? != dim {
        let accepted = format!("a cloud of points of dimension {dim}, as in {x_name}");
        return Err(Error::shape(y_name, y.dims(), accepted));
    }
    Ok((x_rows, y_rows))
}

/// The samples of a batch `(n, ...)` as rows on the host, `(n, d)`.
pub(crate) fn rows(argument: &'static str, x: &Tensor) -> Result<Tensor> {
    let count = check::batch(argument, x)?;
    check::float(argument, x)?;
    Ok(x.detach().reshape((count, ()))?.to_device(&Device::Cpu)?)
}

/// A cloud of `n` points in `d` dimensions, f64, on the host. It is stored coordinate by coordinate: all first
/// coordinates, then all second ones, so that the distances from one point to all others vectorise.
///
/// ```
/// use advect_transport::Points;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Points::new("x", &Tensor::new(&[[0.0f32, 0.0], [3.0, 4.0]], &Device::Cpu)?)?;
/// let mut distances = [0.0; 2];
/// x.squared_distances(&x, 0, &mut distances);
/// assert_eq!(distances, [0.0, 25.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Points {
    coordinates: Vec<f64>,
    count: usize,
    dim: usize,
}

impl Points {
    /// Creates points from the samples of a batch `(n, ...)`; trailing dimensions are flattened.
    ///
    /// # Errors
    /// [`Error::Shape`] for a scalar, [`Error::Empty`] without points, [`Error::NonFinite`] for NaN or
    /// an infinity, each naming `argument`.
    pub fn new(argument: &'static str, x: &Tensor) -> Result<Self> {
        let rows = rows(argument, x)?;
        check::finite(argument, &rows)?;
        Self::from_rows(&rows)
    }

    /// The rows of a matrix as points.
    pub(crate) fn from_rows(rows: &Tensor) -> Result<Self> {
        let (count, dim) = rows.dims2()?;
        let coordinates = rows.to_dtype(DType::F64)?.t()?.flatten_all()?.to_vec1()?;
        Ok(Points {
            coordinates,
            count,
            dim,
        })
    }

    /// Creates two clouds, and checks that they are in the same space.
    ///
    /// # Errors
    /// As [`Points::new`], and [`Error::Shape`] if the dimensions of a point differ.
    pub fn pair(x: &Tensor, y: &Tensor) -> Result<(Self, Self)> {
        Self::pair_named(("x", x), ("y", y))
    }

    /// Creates two clouds, as [`Points::pair`] does, for arguments with other names.
    ///
    /// # Errors
    /// As [`Points::pair`].
    pub fn pair_named(
        x: (&'static str, &Tensor),
        y: (&'static str, &Tensor),
    ) -> Result<(Self, Self)> {
        let (x, y) = row_pair(x, y)?;
        Ok((Points::from_rows(&x)?, Points::from_rows(&y)?))
    }

    /// Returns the number of points.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the dimension of a point.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Returns the largest magnitude of a coordinate.
    pub fn largest(&self) -> f64 {
        self.coordinates
            .iter()
            .fold(0.0, |a: f64, b| a.max(b.abs()))
    }

    /// Returns the points with all coordinates multiplied by a number.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        self.coordinates.iter_mut().for_each(|c| *c *= factor);
        self
    }

    /// Returns the points relative to an origin.
    ///
    /// # Panics
    /// Unless the origin has [`Points::dim`] numbers.
    #[must_use]
    pub fn seen_from(mut self, origin: &[f64]) -> Self {
        assert_eq!(origin.len(), self.dim);
        let coordinates = self.coordinates.chunks_exact_mut(self.count);
        for (coordinates, o) in coordinates.zip(origin) {
            coordinates.iter_mut().for_each(|c| *c -= o);
        }
        self
    }

    /// Returns the mean of the points.
    pub fn mean(&self) -> Vec<f64> {
        let count = self.count as f64;
        let coordinates = self.coordinates.chunks_exact(self.count);
        let mean = coordinates.map(|c| c.iter().map(|c| c / count).sum());
        mean.collect()
    }

    /// The mean of the points by weights of sum 1.
    pub(crate) fn weighted_mean(&self, weights: &[f64]) -> Vec<f64> {
        let coordinates = self.coordinates.chunks_exact(self.count);
        let mean = coordinates.map(|c| c.iter().zip(weights).map(|(c, w)| c * w).sum());
        mean.collect()
    }

    /// The squared distances of all points from the origin.
    pub(crate) fn squared_norms(&self) -> Vec<f64> {
        let mut norms = vec![0.0; self.count];
        for coordinates in self.coordinates.chunks_exact(self.count) {
            for (sum, c) in norms.iter_mut().zip(coordinates) {
                *sum += c * c;
            }
        }
        norms
    }

    /// Returns the dot products of all points with a direction.
    ///
    /// # Panics
    /// Unless the direction has [`Points::dim`] numbers.
    pub fn project(&self, direction: &[f64]) -> Vec<f64> {
        assert_eq!(direction.len(), self.dim);
        let mut products = vec![0.0; self.count];
        for (coordinates, d) in self.coordinates.chunks_exact(self.count).zip(direction) {
            for (sum, x) in products.iter_mut().zip(coordinates) {
                *sum += d * x;
            }
        }
        products
    }

    /// Writes `|x_i − y_j|²` for all points `y_j` of `others` to `out[j]`. It is computed by differences, so that near
    /// points lose nothing to cancellation.
    ///
    /// # Panics
    /// Unless `i` is below [`Points::count`], the dimensions are equal and `out` holds a number for each of
    /// `others`.
    pub fn squared_distances(&self, others: &Points, i: usize, out: &mut [f64]) {
        assert!(i < self.count && self.dim == others.dim && out.len() == others.count);
        out.fill(0.0);
        let (mine, theirs) = (
            self.coordinates.chunks_exact(self.count),
            others.coordinates.chunks_exact(others.count),
        );
        for (mine, theirs) in mine.zip(theirs) {
            let x = mine[i];
            for (sum, y) in out.iter_mut().zip(theirs) {
                let difference = x - y;
                *sum += difference * difference;
            }
        }
    }

    /// Returns `|x_i − y_j|²` for one point `y_j` of `others`, computed by differences.
    ///
    /// # Panics
    /// Unless both points are there and the dimensions are equal.
    pub fn squared_distance(&self, others: &Points, i: usize, j: usize) -> f64 {
        assert!(i < self.count && j < others.count && self.dim == others.dim);
        let mine = self.coordinates.iter().skip(i).step_by(self.count);
        let theirs = others.coordinates.iter().skip(j).step_by(others.count);
        mine.zip(theirs).map(|(x, y)| (x - y) * (x - y)).sum()
    }

    /// The points as rows, `(n, d)`.
    pub(crate) fn to_rows(&self) -> Result<Tensor> {
        let columns = Tensor::from_slice(&self.coordinates, (self.dim, self.count), &Device::Cpu)?;
        Ok(columns.t()?.contiguous()?)
    }
}
