//! The pseudo-Huber loss (Charbonnier et al. 1997; for generative models, Song and Dhariwal 2024, eq. 7).

use advect_core::{Result, check};
use candle_core::{D, Tensor};

use super::{Distance, errors};

/// The pseudo-Huber loss `√(Σ e² + c²) − c`: quadratic where a sample's error is small compared with c, and
/// close to the norm of the error where it is large.
///
/// Song and Dhariwal take `c = 0.00054 √d` for images of d elements in [−1, 1].
///
/// ```
/// use advect_objectives::distance::{Distance, PseudoHuber};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let f = Tensor::new(&[[3f64, 0.0]], &Device::Cpu)?;
/// assert_eq!(PseudoHuber::new(4.0)?.losses(&f, &f.zeros_like()?)?.to_vec1::<f64>()?, [1.0]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "Charbonnier")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PseudoHuber {
    c: f64,
}

impl PseudoHuber {
    /// Creates a loss that turns linear around the error c.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless it is finite and above 0.
    pub fn new(c: f64) -> Result<Self> {
        let c = check::positive("c", c)?;
        Ok(PseudoHuber { c })
    }
}

impl Distance for PseudoHuber {
    fn losses(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        let squares = errors(prediction, target)?.sqr()?.sum(D::Minus1)?;
        let root = (&squares + self.c * self.c)?.sqrt()?;
        // √(s + c²) − c without cancellation.
        Ok((squares / (root + self.c)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distance::contract;

    #[test]
    fn keeps_the_contract() {
        contract::check(&PseudoHuber::new(0.5).unwrap());
        contract::check(&PseudoHuber::new(10.0).unwrap());
        assert!(PseudoHuber::new(f64::NAN).is_err());
    }
}
