//! The likelihood of binary data.

use advect_core::{Generator, Result, shape};
use advect_ops::Activation;
use candle_core::Tensor;

use super::{Likelihood, check_output};
use crate::boltzmann::{bernoulli, check_binary};

/// The law of independent zeros and ones whose logits a are the output, `log p(x|z) = Σ x a − ln(1 + e^a)` (Kingma and Welling 2014, appendix C.1).
///
/// ```
/// use advect_classics::vae::{BernoulliLikelihood, Likelihood};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let (x, logits) = (Tensor::new(&[[1f64, 0.0]], &Device::Cpu)?, Tensor::new(&[[3f64.ln(), 0.0]], &Device::Cpu)?);
/// let log_likelihood = BernoulliLikelihood.log_likelihood(&x, &logits)?.to_vec1::<f64>()?;
/// assert!((log_likelihood[0] - (0.75f64 * 0.5).ln()).abs() < 1e-14);
/// assert!(BernoulliLikelihood.log_likelihood(&(x * 0.3)?, &logits).is_err());
/// # Ok(())
/// # }
/// ```
///
/// Data of other values than 0 and 1 are an [`Error::Range`](advect_core::Error::Range): a sum with grey values is no likelihood. Draw binary data of them instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BernoulliLikelihood;

impl Likelihood for BernoulliLikelihood {
    fn log_likelihood(&self, x: &Tensor, output: &Tensor) -> Result<Tensor> {
        check_output(x, output)?;
        check_binary("x", x)?;
        shape::sum_per_sample(&((x * output)? - Activation::Softplus.apply(output)?)?)
    }

    fn mean(&self, output: &Tensor) -> Result<Tensor> {
        Activation::Sigmoid.apply(output)
    }

    fn sample(&self, output: &Tensor, rng: &mut Generator) -> Result<Tensor> {
        bernoulli(&self.mean(output)?, rng)
    }
}
