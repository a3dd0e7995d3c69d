//! The squared Euclidean norm, which bounds of the likelihood use.

use advect_core::{Result, check};
use advect_ops::squared_errors;
use candle_core::Tensor;

use super::Distance;

/// The squared Euclidean norm `Σ e²` over the elements of a sample.
///
/// ```
/// use advect_objectives::distance::{Distance, SquaredNorm};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let f = Tensor::new(&[[1f64, 3.0]], &Device::Cpu)?;
/// assert_eq!(SquaredNorm.losses(&f, &f.zeros_like()?)?.to_vec1::<f64>()?, [10.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SquaredNorm;

impl Distance for SquaredNorm {
    fn losses(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        check::alike("target", target, "prediction", prediction)?;
        squared_errors(prediction, target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::contract;

    #[test]
    fn keeps_the_contract() {
        contract::check(&SquaredNorm);
    }
}
