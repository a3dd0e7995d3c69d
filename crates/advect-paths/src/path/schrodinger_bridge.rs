//! The path of Schrödinger-bridge conditional flow matching (Tong et al. 2024a, eq. 20–21; "[SF]²M",
//! Tong et al. 2024b).

use advect_core::{Generator, Result, Time, check};
use candle_core::Tensor;

use super::gamma::BrownianBridge;
use super::{Interpolant, Path, PathPoint};
use crate::schedule::CondOt;

/// The path `x_t = t x1 + (1 − t) x0 + σ √(t (1 − t)) z` of Brownian bridges of diffusion σ, with velocity
/// `(1 − 2t)/(2t(1 − t)) (x_t − μ_t) + x1 − x0` and score `−z / (σ √(t (1 − t)))`.
///
/// With pairs from entropic optimal transport of squared distances at strength 2σ² it is the Schrödinger bridge of a
/// Brownian motion of diffusion σ: the marginals of `dx = (u + ½ σ² s) dt + σ dw`, and of the ordinary equation of u.
/// Velocity and score are infinite at both ends. [`BridgeDrift`](super::BridgeDrift) is the same path with the drift for its
/// velocity.
///
/// ```
/// use advect_core::{Generator, Time};
/// use advect_paths::path::SchrodingerBridge;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let bridge = SchrodingerBridge::new(0.5)?;
/// assert_eq!((bridge.score_weight(0.5), bridge.entropy()), (2.0, 0.5));
/// let (x0, x1) = (Tensor::new(&[1.0f64], &Device::Cpu)?, Tensor::new(&[5.0f64], &Device::Cpu)?);
/// let z = Tensor::new(&[2.0f64], &Device::Cpu)?;
/// let point = bridge.at_noise(&Time::Shared(0.5), &x0, &x1, &z)?;
/// assert_eq!(point.x.to_vec1::<f64>()?, [3.5]);
/// assert_eq!(point.score()?.to_vec1::<f64>()?, [-8.0]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "SB-CFM")]
#[doc(alias = "[SF]²M")]
#[doc(alias = "SF2M")]
#[doc(alias = "Schrödinger bridge")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SchrodingerBridge {
    interpolant: Interpolant<CondOt, BrownianBridge>,
    sigma: f64,
}

impl SchrodingerBridge {
    /// Creates a path with diffusion `sigma` above 0.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) otherwise.
    pub fn new(sigma: f64) -> Result<Self> {
        check::positive("sigma", sigma)?;
        let gamma = BrownianBridge::new(sigma * sigma)?;
        Ok(SchrodingerBridge {
            interpolant: Interpolant::new(CondOt::default(), gamma),
            sigma,
        })
    }

    /// Returns the diffusion σ.
    pub fn sigma(&self) -> f64 {
        self.sigma
    }

    /// Returns the path as a stochastic interpolant, with `γ = σ √(t (1 − t))`.
    pub fn interpolant(&self) -> Interpolant<CondOt, BrownianBridge> {
        self.interpolant
    }

    /// Returns the entropic regularisation of the coupling with which the path is the Schrödinger bridge, `2σ²`.
    pub fn entropy(&self) -> f64 {
        2.0 * self.sigma * self.sigma
    }

    /// Returns the weight `λ(t) = 2 √(t (1 − t)) / σ` of Tong et al. 2024b, eq. 23: with `g = ½ σ² s`, the score's
    /// part of the drift, `λ g` has the target −z, of unit size at all times.
    pub fn score_weight(&self, t: f64) -> f64 {
        2.0 * (t * (1.0 - t)).max(0.0).sqrt() / self.sigma
    }

    /// Returns the point with given noise `z`, shaped like the endpoints.
    ///
    /// # Errors
    /// As [`Path::sample`].
    pub fn at_noise(&self, t: &Time, x0: &Tensor, x1: &Tensor, z: &Tensor) -> Result<PathPoint> {
        self.interpolant.at_noise(t, x0, x1, z)
    }
}

impl Path for SchrodingerBridge {
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
        contract::check(&SchrodingerBridge::new(0.5).unwrap());
        assert!(SchrodingerBridge::new(0.0).is_err());
    }
}
