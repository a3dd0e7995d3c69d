//! One Gaussian.

use std::sync::Arc;

use advect_core::Result;
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
        let (means, dim) = rows("mean", &mean.unsqueeze(0)?, &[1.0])?;
        let components = Arc::new(Components::new(&[1.0], means, vec![covariance], dim)?);
        Ok(Gaussian { components })
    }
}

impl Law for Gaussian {
    fn components(&self) -> &Arc<Components> {
        &self.components
    }
}
