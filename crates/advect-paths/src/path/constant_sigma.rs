//! The path of independent conditional flow matching (I-CFM, Tong et al. 2024, eq. 14–15), and of
//! OT-CFM when the pairs come from an optimal coupling.

use advect_core::{Generator, Result, Time};
use candle_core::Tensor;

use super::gamma::Constant;
use super::{Interpolant, Path, PathPoint};
use crate::schedule::CondOt;

/// The path `x_t = t x1 + (1 − t) x0 + σ z` with `z ~ N(0, I)` and velocity `x1 − x0`: a straight line between any
/// two points, blurred by the same noise at all times.
///
/// ```
/// use advect_core::{Generator, Time};
/// use advect_paths::path::{ConstantSigma, Path};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let (x0, x1) = (Tensor::new(&[1.0f64], &Device::Cpu)?, Tensor::new(&[5.0f64], &Device::Cpu)?);
/// let z = Tensor::new(&[2.0f64], &Device::Cpu)?;
/// let point = ConstantSigma::new(0.1)?.at_noise(&Time::Shared(0.5), &x0, &x1, &z)?;
/// assert_eq!((point.x.to_vec1::<f64>()?, point.velocity()?.to_vec1::<f64>()?), (vec![3.2], vec![4.0]));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "I-CFM")]
#[doc(alias = "OT-CFM")]
#[doc(alias = "CFM")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConstantSigma {
    interpolant: Interpolant<CondOt, Constant>,
}

impl ConstantSigma {
    /// Creates a path with noise of standard deviation `sigma` ≥ 0.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for a negative or infinite `sigma`.
    pub fn new(sigma: f64) -> Result<Self> {
        let interpolant = Interpolant::new(CondOt::default(), Constant::new(sigma)?);
        Ok(ConstantSigma { interpolant })
    }

    /// Returns the point with given noise `z`, shaped like the endpoints.
    ///
    /// # Errors
    /// As [`Path::sample`].
    pub fn at_noise(&self, t: &Time, x0: &Tensor, x1: &Tensor, z: &Tensor) -> Result<PathPoint> {
        self.interpolant.at_noise(t, x0, x1, z)
    }
}

impl Path for ConstantSigma {
    fn sample(&self, t: &Time, x0: &Tensor, x1: &Tensor, rng: &mut Generator) -> Result<PathPoint> {
        self.interpolant.sample(t, x0, x1, rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::contract;

    #[test]
    fn keeps_the_contract() {
        contract::check(&ConstantSigma::new(0.0).unwrap());
        contract::check(&ConstantSigma::new(0.3).unwrap());
    }

    #[test]
    fn negative_noise_is_refused() {
        assert!(ConstantSigma::new(-0.1).is_err());
        assert!(ConstantSigma::new(f64::NAN).is_err());
    }
}
