//! The law of a later state of a forward process.

use advect_core::{Generator, Result};
use advect_ops::combine;
use candle_core::Tensor;

/// The law `N(factor · x, deviation² I)` of a state given an earlier one, x.
///
/// ```
/// use advect_core::Generator;
/// use advect_paths::ForwardProcess;
/// use advect_paths::schedule::CondOt;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let law = ForwardProcess::new(CondOt::default()).transition(0.8, 0.4)?;
/// assert_eq!(law.factor, 0.5);
/// assert!((law.deviation.powi(2) - (0.36 - 0.25 * 0.04)).abs() < 1e-15);
/// let x = Tensor::ones((10_000, 1), DType::F64, &Device::Cpu)?;
/// let later = law.sample(&x, &mut Generator::from_seed(0))?;
/// assert!((later.mean_all()?.to_scalar::<f64>()? - 0.5).abs() < 0.02);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct GaussianTransition {
    /// The factor of the earlier state.
    pub factor: f64,
    /// The standard deviation of each element around it.
    pub deviation: f64,
}

impl GaussianTransition {
    /// Draws a state given the earlier one, `factor · x + deviation · z`.
    ///
    /// # Errors
    /// [`Error::DType`](advect_core::Error::DType) unless x is a float.
    pub fn sample(&self, x: &Tensor, rng: &mut Generator) -> Result<Tensor> {
        let z = rng.normal_like(x)?;
        combine(&[(self.factor.into(), x), (self.deviation.into(), &z)])
    }
}
