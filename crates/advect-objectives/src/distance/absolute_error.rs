//! The mean absolute error.

use advect_core::Result;
use candle_core::{D, Tensor};

use super::{Distance, errors};

/// The mean absolute error `Σ |e|/d` over the d elements of a sample, whose minimiser is the median, not the mean.
///
/// ```
/// use advect_objectives::distance::{AbsoluteError, Distance};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let f = Tensor::new(&[[1f64, -3.0]], &Device::Cpu)?;
/// assert_eq!(AbsoluteError.losses(&f, &f.zeros_like()?)?.to_vec1::<f64>()?, [2.0]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "L1")]
#[doc(alias = "MAE")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AbsoluteError;

impl Distance for AbsoluteError {
    fn losses(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        // candle's own derivative of |e| is not 0 at e = 0.
        let errors = errors(prediction, target)?;
        Ok((errors.sign()?.detach() * errors)?.mean(D::Minus1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::contract;

    #[test]
    fn keeps_the_contract() {
        contract::check(&AbsoluteError);
    }
}
