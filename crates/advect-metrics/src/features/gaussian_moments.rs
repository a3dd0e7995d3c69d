//! The mean and the covariance of a law of features.

use std::path::Path;

use advect_core::{Error, Result};
use advect_data::{read_npz, write_npz};
use candle_core::{Device, Tensor};

use super::rows;
use crate::finite;
use crate::linear_algebra::{Factor, nuclear_norm};

/// What a covariance may differ from its transpose, relative to its largest element.
const ASYMMETRY: f64 = 1e-5;

/// The mean, `(d,)`, and the covariance, `(d, d)`, of a law of features: the contents of files of statistics, and all that a Fréchet
/// distance depends on.
///
/// ```
/// use advect_metrics::GaussianMoments;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let moments = |mean: f64, variance: f64| {
///     GaussianMoments::new(&Tensor::new(&[mean], &Device::Cpu)?, &Tensor::new(&[[variance]], &Device::Cpu)?)
/// };
/// // (5 − 2)² + (√9 − √1)²
/// assert!((moments(5.0, 9.0)?.frechet_distance(&moments(2.0, 1.0)?)? - 13.0).abs() < 1e-14);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianMoments {
    mean: Vec<f64>,
    covariance: Vec<f64>,
}

impl GaussianMoments {
    /// Creates moments from a mean `(d,)` and a covariance `(d, d)`.
    ///
    /// # Errors
    /// [`Error::Shape`] for other shapes, [`Error::NonFinite`], [`Error::DType`]; [`Error::Range`] for a covariance that is not symmetric.
    pub fn new(mean: &Tensor, covariance: &Tensor) -> Result<Self> {
        let dim = mean.elem_count();
        if mean.rank() != 1 || dim == 0 {
            return Err(Error::shape("mean", mean.dims(), "(d,)"));
        }
        if covariance.dims() != [dim, dim] {
            let accepted = format!("({dim}, {dim}), as the mean has {dim} dimensions");
            return Err(Error::shape("covariance", covariance.dims(), accepted));
        }
        let numbers =
            |name, x| -> Result<Vec<f64>> { Ok(rows(name, x)?.flatten_all()?.to_vec1()?) };
        let (mean, covariance) = (numbers("mean", mean)?, numbers("covariance", covariance)?);
        let largest = covariance.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
        for i in 0..dim {
            for j in 0..i {
                let pair = [covariance[i * dim + j], covariance[j * dim + i]];
                if (pair[0] - pair[1]).abs() > ASYMMETRY * largest {
                    let given = format!("{pair:?} at ({i}, {j}) and ({j}, {i})");
                    return Err(Error::range("covariance", given, "a symmetric matrix"));
                }
            }
        }
        Ok(GaussianMoments { mean, covariance })
    }

    /// Reads the arrays `mu` and `sigma` of an `.npz` file of statistics, as pytorch-fid, clean-fid and TTUR write them.
    ///
    /// # Errors
    /// [`Error::File`] if it can't be read, has no such arrays, or others than a mean and its covariance.
    #[doc(alias = "mu")]
    #[doc(alias = "sigma")]
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let arrays = read_npz(path)?;
        let array = |name: &str| {
            let found = arrays.iter().find(|(other, _)| other == name);
            let names: Vec<&str> = arrays.iter().map(|(name, _)| name.as_str()).collect();
            let missing = || Error::file(path, format!("it has no array {name}, but {names:?}"));
            found.map(|(_, array)| array).ok_or_else(missing)
        };
        Self::new(array("mu")?, array("sigma")?).map_err(|e| Error::file(path, e))
    }

    /// Writes an `.npz` file of statistics with the arrays `mu` and `sigma`, f64, as [`write_npz`] does.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let dim = self.dim();
        let mean = Tensor::from_slice(&self.mean, dim, &Device::Cpu)?;
        let covariance = Tensor::from_slice(&self.covariance, (dim, dim), &Device::Cpu)?;
        write_npz(path, &[("mu", &mean), ("sigma", &covariance)])
    }

    /// Returns the dimension.
    pub fn dim(&self) -> usize {
        self.mean.len()
    }

    /// Returns the mean.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Returns the rows of the covariance, one after the other.
    pub fn covariance(&self) -> &[f64] {
        &self.covariance
    }

    /// Returns the Fréchet distance of the Gaussian laws with these moments, `|μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½)` (Dowson and Landau
    /// 1982; Heusel et al. 2017, eq. 6). It is the square of their Wasserstein distance.
    ///
    /// The trace of `(Σ₁ Σ₂)^½` is the sum of the singular values of `F₁ᵀ F₂`, where `Σ_i = F_i F_iᵀ` by Cholesky's algorithm with pivots. So no root
    /// is taken of what rounding leaves of an eigenvalue 0, and covariances may have any rank.
    ///
    /// # Errors
    /// [`Error::Shape`] for other dimensions; [`Error::Range`] for a covariance with a negative eigenvalue, or where the distance overflows.
    #[doc(alias = "FID")]
    pub fn frechet_distance(&self, other: &Self) -> Result<f64> {
        self.factored("covariance")?
            .frechet_distance(&other.factored("other")?)
    }

    /// The factor of the covariance.
    pub(super) fn factored(&self, argument: &'static str) -> Result<Factored<'_>> {
        Ok(Factored {
            moments: self,
            factor: Factor::new(argument, &self.covariance, self.dim())?,
        })
    }

    /// The sum of the variances.
    fn trace(&self) -> f64 {
        self.covariance.iter().step_by(self.dim() + 1).sum()
    }
}

/// Moments with a factor of their covariance, for several distances.
pub(super) struct Factored<'a> {
    moments: &'a GaussianMoments,
    factor: Factor,
}

impl Factored<'_> {
    pub(super) fn frechet_distance(&self, other: &Self) -> Result<f64> {
        let (x, y) = (self.moments, other.moments);
        if x.dim() != y.dim() {
            let accepted = format!("({},), the dimension of the other moments", x.dim());
            return Err(Error::shape("other", &[y.dim()], accepted));
        }
        let means: f64 = x
            .mean
            .iter()
            .zip(&y.mean)
            .map(|(x, y)| (x - y).powi(2))
            .sum();
        let (tall, wide) = match self.factor.rank >= other.factor.rank {
            true => (&self.factor, &other.factor),
            false => (&other.factor, &self.factor),
        };
        let root = match wide.rank {
            0 => 0.0,
            rank => {
                let product = tall.columns.t()?.contiguous()?.matmul(&wide.columns)?;
                nuclear_norm(product.flatten_all()?.to_vec1()?, rank)?
            }
        };
        // Rounding may leave less than nothing, and what is not a number stays so.
        let spread = x.trace() + y.trace() - 2.0 * root;
        let spread = if spread < 0.0 { 0.0 } else { spread };
        finite("mean, covariance", means + spread)
    }
}
