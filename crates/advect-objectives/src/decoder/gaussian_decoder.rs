//! A density for data of any value.

use std::f64::consts::PI;

use advect_core::{Result, shape};
use candle_core::Tensor;

use super::{Decoder, checked};

/// The Gaussian density, `−½ Σ (x1 − μ)²/v + ln v + ln 2π`.
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
    fn log_likelihood_given(
        &self,
        x1: &Tensor,
        mean: &Tensor,
        log_variance: &Tensor,
    ) -> Result<Tensor> {
        let [x1, mean, logs] = checked(x1, mean, log_variance)?;
        let squares = ((x1 - mean)?.sqr()? * logs.neg()?.exp()?)?;
        let each = ((squares + logs)? + (2.0 * PI).ln())?;
        Ok((shape::sum_per_sample(&each)? * -0.5)?)
    }
}
