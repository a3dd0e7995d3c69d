//! The quadratic losses of stochastic interpolants (Albergo, Boffi and Vanden-Eijnden 2023, theorem 2.7 and 2.8).

use advect_core::Result;
use candle_core::{D, Tensor};

use super::{Distance, rows};

/// The quadratic loss `Σ (½ f² − f · target)`: half of the squared norm without the part that does not depend on the
/// prediction f. Its gradient is the same, but its value can be negative. At the minimiser it is `−½ E|f|²`.
///
/// ```
/// use advect_objectives::distance::{Distance, Quadratic};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let (f, target) = (Tensor::new(&[[2f64]], &Device::Cpu)?, Tensor::new(&[[3f64]], &Device::Cpu)?);
/// assert_eq!(Quadratic.losses(&f, &target)?.to_vec1::<f64>()?, [2.0 - 6.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Quadratic;

impl Distance for Quadratic {
    fn losses(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (f, target) = rows(prediction, target)?;
        let less = ((&f * 0.5)? - target)?;
        Ok((f * less)?.sum(D::Minus1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::contract;

    #[test]
    fn keeps_the_contract() {
        contract::check(&Quadratic);
    }
}
