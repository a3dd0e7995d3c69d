//! A density for data of any value.

use advect_core::Result;
use candle_core::Tensor;

use super::{Decoder, log_density};

/// The Gaussian density `log N(x1; μ, v I)`.
///
/// ```
/// use advect_objectives::decoder::{Decoder, GaussianDecoder};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x1 = Tensor::new(&[[1f64]], &Device::Cpu)?;
/// let log_density = GaussianDecoder.log_likelihood(&x1, &x1, 1.0)?.to_vec1::<f64>()?;
/// assert!((log_density[0] + 0.5 * (2.0 * std::f64::consts::PI).ln()).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GaussianDecoder;

impl Decoder for GaussianDecoder {
    fn log_likelihood(&self, x1: &Tensor, mean: &Tensor, variance: f64) -> Result<Tensor> {
        log_density(x1, mean, variance)
    }
}
