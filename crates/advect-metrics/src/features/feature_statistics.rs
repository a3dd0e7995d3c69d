//! Mean and covariance of features that come in batches.

use advect_core::{Error, Result, check};
use candle_core::{DType, Device, Tensor};

use super::{GaussianMoments, rows};

/// The mean and the covariance of features, gathered batch by batch in f64: means and sums of squares of batches are combined without
/// cancellation (Chan, Golub and LeVeque 1983).
///
/// ```
/// use advect_metrics::FeatureStatistics;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let mut statistics = FeatureStatistics::new(2)?;
/// statistics.add(&Tensor::new(&[[1f32, 0.0], [3.0, 0.0]], &Device::Cpu)?)?;
/// statistics.add(&Tensor::new(&[[2f32, 6.0]], &Device::Cpu)?)?;
/// assert_eq!(statistics.count(), 3);
/// let moments = statistics.moments()?;
/// assert_eq!(moments.mean(), [2.0, 2.0]);
/// assert_eq!(moments.covariance(), [1.0, 0.0, 0.0, 12.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct FeatureStatistics {
    count: usize,
    /// `(1, d)`.
    mean: Tensor,
    /// `Σ_i (x_i − mean)(x_i − mean)ᵀ`, `(d, d)`.
    scatter: Tensor,
}

impl FeatureStatistics {
    /// Creates empty statistics of features of `dim` dimensions.
    ///
    /// # Errors
    /// [`Error::Range`] for no dimensions, or more than fit in memory.
    pub fn new(dim: usize) -> Result<Self> {
        check::at_least_one("dim", dim)?;
        check::memory("dim", &[dim, dim], DType::F64)?;
        Ok(FeatureStatistics {
            count: 0,
            mean: Tensor::zeros((1, dim), DType::F64, &Device::Cpu)?,
            scatter: Tensor::zeros((dim, dim), DType::F64, &Device::Cpu)?,
        })
    }

    /// Creates the statistics of features `(n, d)`; dimensions after the second are flattened.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::NonFinite`], [`Error::DType`], [`Error::Shape`] for a scalar.
    pub fn of(features: &Tensor) -> Result<Self> {
        Self::of_rows(&rows("features", features)?)
    }

    pub(super) fn of_rows(rows: &Tensor) -> Result<Self> {
        let mut statistics = FeatureStatistics::new(rows.dim(1)?)?;
        statistics.add_rows(rows)?;
        Ok(statistics)
    }

    /// Adds a batch of features `(n, d)`.
    ///
    /// # Errors
    /// As [`FeatureStatistics::of`]; [`Error::Shape`] for another dimension. Nothing is added then.
    pub fn add(&mut self, features: &Tensor) -> Result<()> {
        let rows = rows("features", features)?;
        self.check_dim("features", rows.dims())?;
        self.add_rows(&rows)
    }

    fn add_rows(&mut self, rows: &Tensor) -> Result<()> {
        let mean = rows.mean_keepdim(0)?;
        let centred = rows.broadcast_sub(&mean)?;
        self.combine(&FeatureStatistics {
            count: rows.dim(0)?,
            mean,
            scatter: centred.t()?.contiguous()?.matmul(&centred)?,
        })
    }

    /// Merges other statistics into these, such as those of another thread.
    ///
    /// # Errors
    /// [`Error::Shape`] for another dimension.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        self.check_dim("other", &[other.count, other.dim()])?;
        self.combine(other)
    }

    fn combine(&mut self, other: &Self) -> Result<()> {
        let count = self.count + other.count;
        if other.count > 0 {
            let share = other.count as f64 / count as f64;
            let apart = (&other.mean - &self.mean)?;
            let weight = self.count as f64 * share;
            let between = (apart.t()?.contiguous()?.matmul(&apart)? * weight)?;
            self.scatter = ((&self.scatter + &other.scatter)? + between)?;
            self.mean = (&self.mean + (apart * share)?)?;
            self.count = count;
        }
        Ok(())
    }

    fn check_dim(&self, argument: &'static str, dims: &[usize]) -> Result<()> {
        match dims.last() == Some(&self.dim()) {
            true => Ok(()),
            false => Err(Error::shape(argument, dims, format!("(n, {})", self.dim()))),
        }
    }

    /// Returns the number of features.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the dimension of a feature.
    pub fn dim(&self) -> usize {
        self.mean.elem_count()
    }

    /// Returns the mean and the unbiased covariance, `Σ_i (x_i − mean)(x_i − mean)ᵀ / (n − 1)`.
    ///
    /// # Errors
    /// [`Error::Range`] unless there are more features than dimensions: the covariance of fewer has no full rank, so that a Fréchet distance
    /// compares the true law with a flat one, and comes out too large by far, the more so the fewer there are. Distances at one number of
    /// features can still be compared with each other; [`FeatureStatistics::moments_of_few`] is for these.
    pub fn moments(&self) -> Result<GaussianMoments> {
        let (count, dim) = (self.count, self.dim());
        if count <= dim {
            let given = format!("{count} samples of {dim} dimensions");
            let accepted = "more samples than dimensions: the covariance of fewer has no full rank, and a Fréchet distance of it is much too large";
            return Err(Error::range("features", given, accepted));
        }
        self.moments_of_few()
    }

    /// Returns [`FeatureStatistics::moments`] of two features or more.
    ///
    /// # Errors
    /// [`Error::Range`] for fewer than two features; [`Error::NonFinite`] where the covariance overflows.
    pub fn moments_of_few(&self) -> Result<GaussianMoments> {
        if self.count < 2 {
            let given = format!("{} samples", self.count);
            return Err(Error::range("features", given, "at least two samples"));
        }
        let covariance = (&self.scatter / (self.count as f64 - 1.0))?;
        GaussianMoments::new(&self.mean.flatten_all()?, &covariance)
    }
}
