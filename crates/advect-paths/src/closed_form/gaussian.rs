//! One Gaussian.

use std::sync::Arc;

use advect_core::{Error, Result, check};
use candle_core::Tensor;

use super::finite_data::rows;
use super::{Components, Covariance, Law};

/// The Gaussian N(m, Σ), whose marginal fields are all linear in x.
///
/// ```
/// use advect_core::{Field, Time};
/// use advect_paths::closed_form::{Covariance, Gaussian, Law};
/// use advect_paths::schedule::CondOt;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let mean = Tensor::new(&[2.0f64], &Device::Cpu)?;
/// let data = Gaussian::new(&mean, Covariance::isotropic(4.0)?)?;
/// // At t = 1/2 the marginal is N(1, 1/4 · 4 + 1/4).
/// let x = Tensor::new(&[[3.5f64]], &Device::Cpu)?;
/// let score = data.score(&CondOt::default()).at(&Time::Shared(0.5), &x)?;
/// assert_eq!(score.to_vec2::<f64>()?, [[-2.5 / 1.25]]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "normal distribution")]
#[derive(Debug, Clone, PartialEq)]
pub struct Gaussian {
    components: Arc<Components>,
}

impl Gaussian {
    /// Creates a Gaussian with a mean and a covariance. The mean is one sample of any shape, which is flattened.
    ///
    /// # Errors
    /// Typed errors for a mean that is empty or not finite, and a covariance of another dimension.
    pub fn new(mean: &Tensor, covariance: Covariance) -> Result<Self> {
        let (mean, _) = rows("mean", &mean.unsqueeze(0)?, &[1.0])?;
        Self::of(mean, covariance)
    }

    /// A Gaussian with its mean on the host.
    pub(super) fn of(mean: Vec<f64>, covariance: Covariance) -> Result<Self> {
        let dim = mean.len();
        let components = Arc::new(Components::new(&[1.0], mean, vec![covariance], dim)?);
        Ok(Gaussian { components })
    }

    /// Creates the Gaussian with the mean of samples `(n, ...)` and their covariance, whose divisor is n − 1.
    ///
    /// # Errors
    /// [`Error::Range`] for fewer than two samples; typed errors unless they are finite floats.
    pub fn fit(samples: &Tensor) -> Result<Self> {
        let count = check::batch("samples", samples)?;
        if count < 2 {
            return Err(Error::range("samples", count, "at least two samples"));
        }
        let (mut rows, d) = rows("samples", samples, &vec![1.0; count])?;
        let mut mean = vec![0.0; d];
        for row in rows.chunks_exact(d) {
            mean.iter_mut().zip(row).for_each(|(m, x)| *m += x);
        }
        mean.iter_mut().for_each(|m| *m /= count as f64);
        for row in rows.chunks_exact_mut(d) {
            row.iter_mut().zip(&mean).for_each(|(x, m)| *x -= m);
        }
        let mut elements = vec![0.0; d * d];
        for row in rows.chunks_exact(d) {
            for (sums, x) in elements.chunks_exact_mut(d).zip(row) {
                sums.iter_mut().zip(row).for_each(|(sum, y)| *sum += x * y);
            }
        }
        let divisor = (count - 1) as f64;
        elements.iter_mut().for_each(|e| *e /= divisor);
        Self::of(mean, Covariance::full(elements)?)
    }

    /// Returns the mean.
    pub fn mean(&self) -> &[f64] {
        self.components.mean(0)
    }

    /// Returns the elements of the covariance matrix, row by row.
    pub fn covariance(&self) -> Vec<f64> {
        self.matrix().elements(self.mean().len())
    }

    /// The covariance in its own axes.
    pub(super) fn matrix(&self) -> &Covariance {
        self.components.covariance(0)
    }

    /// Returns the Kullback–Leibler divergence of another Gaussian N(n, S) from this one, N(m, Σ), in nats:
    /// `KL(N(m, Σ) ‖ N(n, S)) = ½ [tr(S⁻¹ Σ) − d + (n − m)ᵀ S⁻¹ (n − m) + ln(det S / det Σ)]`.
    ///
    /// ```
    /// use advect_paths::closed_form::{Covariance, Gaussian};
    /// use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// let narrow = Gaussian::new(&Tensor::new(&[1f64], &Device::Cpu)?, Covariance::isotropic(1.0)?)?;
    /// let samples = Tensor::new(&[[-2f64], [0.0], [2.0]], &Device::Cpu)?;
    /// let wide = Gaussian::fit(&samples)?; // N(0, 4)
    /// let divergence = narrow.kl_divergence(&wide)?;
    /// assert!((divergence - 0.5 * (0.25 - 1.0 + 0.25 + 4f64.ln())).abs() < 1e-15);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] for another dimension, [`Error::Range`] unless both have a width in every direction.
    #[doc(alias = "KL divergence")]
    #[doc(alias = "relative entropy")]
    pub fn kl_divergence(&self, other: &Gaussian) -> Result<f64> {
        let d = self.mean().len();
        if other.mean().len() != d {
            let accepted = format!("({d},), the dimension of this Gaussian");
            return Err(Error::shape("other", &[other.mean().len()], accepted));
        }
        let (mine, theirs) = (self.matrix(), other.matrix());
        for (argument, covariance) in [("self", mine), ("other", theirs)] {
            if (0..d).any(|i| covariance.variance(i) == 0.0) {
                let given = "a covariance with the eigenvalue 0";
                return Err(Error::range(argument, given, "an invertible covariance"));
            }
        }
        let ratios = theirs.map(f64::recip).around(mine, d)?;
        let widths: f64 = (0..d)
            .map(|i| ratios.variance(i) - 1.0)
            .map(|excess| excess - excess.ln_1p())
            .sum();
        let apart = self.mean().iter().zip(other.mean());
        let mut apart: Vec<f64> = apart.map(|(m, n)| m - n).collect();
        theirs.turn(&mut apart, &mut vec![0.0; d]);
        let squares = apart.iter().enumerate();
        let shift: f64 = squares.map(|(i, a)| a * a / theirs.variance(i)).sum();
        Ok(0.5 * (widths + shift))
    }
}

impl Law for Gaussian {
    fn components(&self) -> &Arc<Components> {
        &self.components
    }
}
