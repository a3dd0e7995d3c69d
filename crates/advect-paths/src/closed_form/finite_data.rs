//! The points of a data set as a law of their own.

use std::sync::Arc;

use advect_core::{Error, Result, check};
use candle_core::{DType, Device, Tensor};

use super::{Components, Covariance, Law};

/// The law that draws one of finitely many points, such as the samples of a data set.
///
/// Its denoiser is a softmax over the points, `Σ_k softmax_k(ln w_k − |x − α x_k|²/2σ²) x_k`; without noise, the nearest
/// point. A flow along its velocity ends at the data itself.
///
/// ```
/// use advect_core::{Field, Time};
/// use advect_paths::closed_form::{FiniteData, Law};
/// use advect_paths::schedule::Cosine;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let data = FiniteData::new(&Tensor::new(&[[3.0f32], [5.0]], &Device::Cpu)?)?;
/// let x = Tensor::new(&[[0.1f32], [4.9]], &Device::Cpu)?;
/// let denoiser = data.denoiser(&Cosine);
/// assert_eq!(denoiser.at(&Time::Shared(0.0), &x)?.to_vec2::<f32>()?, [[4.0], [4.0]]);
/// assert_eq!(denoiser.at(&Time::Shared(1.0), &x)?.to_vec2::<f32>()?, [[3.0], [5.0]]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct FiniteData {
    components: Arc<Components>,
}

impl FiniteData {
    /// Creates the law of the samples of a batch `(n, ...)`, with equal weights. The dimensions of a sample are flattened.
    ///
    /// # Errors
    /// [`Error::Empty`] without points, [`Error::NonFinite`] for NaN or an infinity, [`Error::DType`] unless floats.
    pub fn new(points: &Tensor) -> Result<Self> {
        let count = check::batch("points", points)?;
        Self::weighted(points, &vec![1.0 / count as f64; count])
    }

    /// Creates the law of the samples of a batch, with a weight for each.
    ///
    /// # Errors
    /// As [`FiniteData::new`]; [`Error::Shape`] unless there is a weight for each, [`Error::Range`] unless the weights are
    /// not negative and sum to 1.
    pub fn weighted(points: &Tensor, weights: &[f64]) -> Result<Self> {
        let (means, dim) = rows("points", points, weights)?;
        let components = Arc::new(Components::new(
            weights,
            means,
            vec![Covariance::isotropic(0.0)?],
            dim,
        )?);
        Ok(FiniteData { components })
    }
}

/// The samples of a batch one after the other, and their dimension.
pub(super) fn rows(
    argument: &'static str,
    x: &Tensor,
    weights: &[f64],
) -> Result<(Vec<f64>, usize)> {
    let count = check::batch(argument, x)?;
    check::float(argument, x)?;
    check::finite(argument, x)?;
    if weights.len() != count {
        let accepted = format!("({count},), one weight for each of {argument}");
        return Err(Error::shape("weights", &[weights.len()], accepted));
    }
    let values = x.detach().flatten_all()?.to_device(&Device::Cpu)?;
    let values = values.to_dtype(DType::F64)?.to_vec1()?;
    Ok((values, x.elem_count() / count))
}

impl Law for FiniteData {
    fn components(&self) -> &Arc<Components> {
        &self.components
    }
}
