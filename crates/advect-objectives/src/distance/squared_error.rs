//! The mean squared error.

use advect_core::{Result, check};
use advect_ops::squared_errors;
use candle_core::Tensor;

use super::Distance;

/// The mean squared error `Σ e²/d` over the d elements of a sample.
///
/// ```
/// use advect_objectives::distance::{Distance, SquaredError};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let f = Tensor::new(&[[1f64, 3.0]], &Device::Cpu)?;
/// assert_eq!(SquaredError.losses(&f, &f.zeros_like()?)?.to_vec1::<f64>()?, [5.0]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "MSE")]
#[doc(alias = "L2")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SquaredError;

impl Distance for SquaredError {
    fn losses(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        check::alike("target", target, "prediction", prediction)?;
        let sums = squared_errors(prediction, target)?;
        // A sample without elements has no error.
        let dim = (prediction.elem_count() / check::batch("prediction", prediction)?).max(1);
        Ok((sums / dim as f64)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::contract;

    #[test]
    fn keeps_the_contract() {
        contract::check(&SquaredError);
    }
}
