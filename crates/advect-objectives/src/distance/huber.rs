//! Huber's loss (Huber 1964).

use advect_core::{Result, check};
use candle_core::{D, Tensor};

use super::{Distance, errors};

/// Huber's loss `Σ h(e)/d` with `h(e) = ½ e²` up to `|e| = δ` and `δ (|e| − ½ δ)` beyond, so that large errors pull
/// no more than errors of δ.
///
/// ```
/// use advect_objectives::distance::{Distance, Huber};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let f = Tensor::new(&[[0.5f64, -3.0]], &Device::Cpu)?;
/// let loss = Huber::new(1.0)?.losses(&f, &f.zeros_like()?)?.to_vec1::<f64>()?;
/// assert_eq!(loss, [0.5 * (0.125 + 2.5)]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "smooth L1")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Huber {
    delta: f64,
}

impl Huber {
    /// Creates a loss that is linear from the error δ on.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless it is finite and above 0.
    pub fn new(delta: f64) -> Result<Self> {
        let delta = check::positive("delta", delta)?;
        Ok(Huber { delta })
    }
}

impl Distance for Huber {
    fn losses(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        // With m = min(|e|, δ), the loss is m (|e| − ½ m).
        let size = errors(prediction, target)?.abs()?;
        let inner = size.minimum(self.delta)?;
        let rest = (size - (&inner * 0.5)?)?;
        Ok((inner * rest)?.mean(D::Minus1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::contract;

    #[test]
    fn keeps_the_contract() {
        contract::check(&Huber::new(0.5).unwrap());
        contract::check(&Huber::new(10.0).unwrap());
        assert!(Huber::new(0.0).is_err());
    }
}
