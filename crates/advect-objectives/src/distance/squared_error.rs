//! The mean squared error.

use advect_core::Result;
use candle_core::{D, Tensor};

use super::{Distance, errors};

/// `Σ e²/d` over the d elements of a sample.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SquaredError;

impl Distance for SquaredError {
    fn losses(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        Ok(errors(prediction, target)?.sqr()?.mean(D::Minus1)?)
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
