//! A mixture of Gaussians.

use std::sync::Arc;

use advect_core::Result;
use candle_core::Tensor;

use super::finite_data::rows;
use super::{Components, Covariance, Law};

/// The mixture of Gaussians `Σ_k w_k N(m_k, Σ_k)`.
///
/// ```
/// use advect_core::{Generator, Time};
/// use advect_paths::closed_form::{Covariance, GaussianMixture, Law};
/// use advect_paths::schedule::CondOt;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let means = Tensor::new(&[[-2.0f64], [2.0]], &Device::Cpu)?;
/// let narrow = Covariance::isotropic(0.01)?;
/// let data = GaussianMixture::new(&[0.25, 0.75], &means, vec![narrow])?;
/// let samples = data.sample(1000, DType::F64, &Device::Cpu, &mut Generator::from_seed(0))?;
/// let right = samples.gt(0.0)?.to_dtype(DType::F64)?.mean_all()?.to_scalar::<f64>()?;
/// assert!((right - 0.75).abs() < 0.05);
/// let log_density = data.score(&CondOt::default()).log_density(&Time::Shared(1.0), &means)?;
/// let peak = -0.5 * (2.0 * std::f64::consts::PI * 0.01).ln();
/// assert!((log_density.to_vec1::<f64>()?[1] - (peak + 0.75f64.ln())).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "GMM")]
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianMixture {
    components: Arc<Components>,
}

impl GaussianMixture {
    /// Creates a mixture with K weights, means `(K, ...)`, and one covariance for each component or one for all.
    ///
    /// # Errors
    /// As [`Components::new`], and for means that are empty or of a dtype that is no float.
    pub fn new(weights: &[f64], means: &Tensor, covariances: Vec<Covariance>) -> Result<Self> {
        let (means, dim) = rows("means", means, weights)?;
        let components = Arc::new(Components::new(weights, means, covariances, dim)?);
        Ok(GaussianMixture { components })
    }
}

impl Law for GaussianMixture {
    fn components(&self) -> &Arc<Components> {
        &self.components
    }
}
