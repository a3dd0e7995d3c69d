//! The components of a mixture of Gaussians.

use advect_core::{Error, Generator, Result, check};
use candle_core::{DType, Device, Tensor};
use rand_distr::{StandardNormal, StandardUniform};

use super::Covariance;
use super::posterior::add;
use crate::cumulative::Cumulative;

/// A mixture of Gaussians in d dimensions: weights, means and covariances.
#[derive(Debug, Clone, PartialEq)]
pub struct Components {
    log_weights: Vec<f64>,
    /// One after the other.
    means: Vec<f64>,
    /// One for each, or one for all.
    covariances: Vec<Covariance>,
    dim: usize,
}

impl Components {
    /// Creates a mixture from its weights, its means one after the other, of `dim` numbers each, and one covariance
    /// for each mean or one for all. Your own laws return it from [`Law::components`](super::Law::components).
    ///
    /// ```
    /// use advect_paths::closed_form::{Components, Covariance};
    /// # fn main() -> advect_core::Result<()> {
    /// let two = Components::new(&[0.5, 0.5], vec![-1.0, 0.0, 1.0, 0.0], vec![Covariance::isotropic(0.1)?], 2)?;
    /// assert_eq!((two.count(), two.dim(), two.means().len()), (2, 2, 4));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Range`] unless the weights are not negative and sum to 1; [`Error::Shape`] for means or covariances that don't fit;
    /// [`Error::NonFinite`] for means that are NaN or infinite.
    pub fn new(
        weights: &[f64],
        means: Vec<f64>,
        covariances: Vec<Covariance>,
        dim: usize,
    ) -> Result<Self> {
        check_weights(weights)?;
        let log_weights = weights.iter().map(|w| w.ln()).collect();
        Self::of_log_weights(log_weights, means, covariances, dim)
    }

    /// A mixture of weights that are known by their logarithms, up to a common factor.
    pub(super) fn of_log_weights(
        log_weights: Vec<f64>,
        means: Vec<f64>,
        covariances: Vec<Covariance>,
        dim: usize,
    ) -> Result<Self> {
        check::at_least_one("dim", dim)?;
        let count = log_weights.len();
        if count.checked_mul(dim) != Some(means.len()) {
            let accepted = format!("{count} × {dim} numbers, a mean for each weight");
            return Err(Error::shape("means", &[means.len()], accepted));
        }
        if let Some(index) = means.iter().position(|m| !m.is_finite()) {
            return Err(Error::NonFinite {
                argument: "means".into(),
                index,
                value: means[index],
            });
        }
        if covariances.len() != count && covariances.len() != 1 {
            let accepted = format!("({count},), one for each mean, or (1,), one for all");
            return Err(Error::shape("covariances", &[covariances.len()], accepted));
        }
        for covariance in &covariances {
            if covariance.dim().is_some_and(|d| d != dim) {
                let given = [covariance.dim().unwrap_or(0)];
                let accepted = format!("({dim},), the dimension of the means");
                return Err(Error::shape("covariances", &given, accepted));
            }
        }
        Ok(Components {
            log_weights,
            means,
            covariances,
            dim,
        })
    }

    /// The same, of parts that are known to fit.
    pub(super) fn of_parts(
        log_weights: Vec<f64>,
        means: Vec<f64>,
        covariances: Vec<Covariance>,
        dim: usize,
    ) -> Self {
        Components {
            log_weights,
            means,
            covariances,
            dim,
        }
    }

    /// Returns the dimension of the data.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Returns the number of components.
    pub fn count(&self) -> usize {
        self.log_weights.len()
    }

    /// Returns the logarithms of the weights: `−∞` for a component of weight 0.
    pub fn log_weights(&self) -> &[f64] {
        &self.log_weights
    }

    /// Returns the means, one after the other.
    pub fn means(&self) -> &[f64] {
        &self.means
    }

    pub(super) fn mean(&self, k: usize) -> &[f64] {
        &self.means[k * self.dim..(k + 1) * self.dim]
    }

    /// Returns `true` if there is one covariance for all components.
    pub(super) fn is_uniform(&self) -> bool {
        self.covariances.len() == 1
    }

    pub(super) fn covariance(&self, k: usize) -> &Covariance {
        // One for all stands at every index.
        &self.covariances[k.min(self.covariances.len() - 1)]
    }

    pub(super) fn sample(
        &self,
        count: usize,
        dtype: DType,
        device: &Device,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        let d = self.dim;
        let choices = rng.values(&StandardUniform, count)?;
        let mut samples = rng.values(&StandardNormal, count.saturating_mul(d))?;
        let shares: Vec<f64> = self.log_weights.iter().map(|w| w.exp()).collect();
        let shares = Cumulative::new(&shares);
        let mut scratch = vec![0.0; d];
        for (sample, u) in samples.chunks_exact_mut(d).zip(choices) {
            let k = shares.place(u);
            self.covariance(k).color(sample, &mut scratch);
            add(sample, 1.0, self.mean(k));
        }
        as_batch(samples, (count, d), dtype, device)
    }
}

/// Samples as a tensor.
pub(super) fn as_batch(
    samples: Vec<f64>,
    dims: (usize, usize),
    dtype: DType,
    device: &Device,
) -> Result<Tensor> {
    check::float_dtype("dtype", dtype)?;
    Ok(Tensor::from_vec(samples, dims, &Device::Cpu)?
        .to_dtype(dtype)?
        .to_device(device)?)
}

/// Checks weights: none negative, their sum 1.
fn check_weights(weights: &[f64]) -> Result<()> {
    if let Some(bad) = weights.iter().find(|w| !(**w >= 0.0 && w.is_finite())) {
        return Err(Error::range("weights", bad, "a number of at least 0"));
    }
    let sum: f64 = weights.iter().sum();
    if (sum - 1.0).abs() > 1e-9 {
        let given = format!("a sum of {sum}");
        return Err(Error::range("weights", given, "a sum of 1"));
    }
    Ok(())
}

/// The component at which the sum of shares passes u of their total.
pub(super) fn pick(shares: &[f64], u: f64) -> usize {
    let mut left = u * shares.iter().sum::<f64>();
    let mut last = 0;
    for (k, &share) in shares.iter().enumerate().filter(|(_, s)| **s > 0.0) {
        last = k;
        left -= share;
        if left < 0.0 {
            break;
        }
    }
    last
}
