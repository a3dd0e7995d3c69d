//! The path of bridge matching (Shi et al. 2023, "Diffusion Schrödinger bridge matching"; Peluchetti 2023,
//! "Diffusion bridge mixture transports, Schrödinger bridge problems and generative modeling").

use advect_core::{Generator, Result, Time};
use candle_core::Tensor;

use super::{Path, PathPoint, SchrodingerBridge, check_ends, factor};
use crate::Direction;

/// The path of Brownian bridges `x_t = t x1 + (1 − t) x0 + σ √(t (1 − t)) z`, whose velocity is the bridge's drift:
/// forwards `(x1 − x_t)/(1 − t) = x1 − x0 − σ √(t/(1 − t)) z`, backwards `(x_t − x0)/t = x1 − x0 + σ √((1 − t)/t) z`.
///
/// A field that is trained on it learns the drift b of `dx = b dt + σ dw` whose marginals are those of the mixture of
/// bridges: the Markovian projection of the mixture. No score is needed. Both drifts are rates of change with t, so a
/// solver that goes from 1 to 0 takes the one backwards as it is; Shi et al. regress on its negative.
///
/// The drift's variance given the ends grows like `σ²/(1 − t)` towards t = 1 forwards, and like `σ²/t` towards t = 0
/// backwards, so that the expected loss is infinite. The weighting `RemainingTime` of `advect-objectives` mends that,
/// and its objective `bridge_matching` uses it.
///
/// ```
/// use advect_core::{Generator, Time};
/// use advect_paths::Direction;
/// use advect_paths::path::{BridgeDrift, Path};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let path = BridgeDrift::new(0.5, Direction::Forwards)?;
/// let (x0, x1) = (Tensor::new(&[1f64], &Device::Cpu)?, Tensor::new(&[5f64], &Device::Cpu)?);
/// let point = path.sample(&Time::Shared(0.5), &x0, &x1, &mut Generator::from_seed(0))?;
/// let (x, drift) = (point.x.to_vec1::<f64>()?[0], point.velocity()?.to_vec1::<f64>()?[0]);
/// assert!((drift - (5.0 - x) / 0.5).abs() < 1e-14);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "DSBM")]
#[doc(alias = "bridge matching")]
#[doc(alias = "Markovian projection")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BridgeDrift {
    bridge: SchrodingerBridge,
    direction: Direction,
}

impl BridgeDrift {
    /// Creates the path with diffusion `sigma` above 0 and the direction of its drift.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for another `sigma`.
    pub fn new(sigma: f64, direction: Direction) -> Result<Self> {
        let bridge = SchrodingerBridge::new(sigma)?;
        Ok(BridgeDrift { bridge, direction })
    }

    /// Returns the diffusion σ.
    pub fn sigma(&self) -> f64 {
        self.bridge.sigma()
    }

    /// Returns the direction.
    pub fn direction(&self) -> Direction {
        self.direction
    }
}

impl Path for BridgeDrift {
    fn sample(&self, t: &Time, x0: &Tensor, x1: &Tensor, rng: &mut Generator) -> Result<PathPoint> {
        let times = check_ends(t, x0, x1)?;
        let point = self.bridge.sample(t, x0, x1, rng)?;
        let slope = |t: f64| {
            let remaining = self.direction.remaining(t);
            -self.direction.sign() * self.sigma() * ((1.0 - remaining) / remaining).sqrt()
        };
        let drift = vec![
            (1.0.into(), x1.clone()),
            ((-1.0).into(), x0.clone()),
            (factor(t, &times, &slope), point.noise()?),
        ];
        Ok(point.with_velocity(drift))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::contract;
    use advect_core::testing::assert_close;
    use candle_core::{DType, Device};

    #[test]
    fn keeps_the_contract() {
        for direction in [Direction::Forwards, Direction::Backwards] {
            contract::check_points(&BridgeDrift::new(0.7, direction).unwrap());
            assert!(BridgeDrift::new(0.0, direction).is_err());
        }
    }

    #[test]
    fn leads_to_the_end() {
        let mut rng = Generator::from_seed(0);
        let x0 = rng.normal((5, 2), DType::F64, &Device::Cpu).unwrap();
        let x1 = rng.normal((5, 2), DType::F64, &Device::Cpu).unwrap();
        let t = Time::Shared(0.3);
        for (direction, end, time) in [
            (Direction::Forwards, &x1, 0.7),
            (Direction::Backwards, &x0, -0.3),
        ] {
            let path = BridgeDrift::new(2.0, direction).unwrap();
            let point = path.sample(&t, &x0, &x1, &mut rng).unwrap();
            let reached = (&point.x + (point.velocity().unwrap() * time).unwrap()).unwrap();
            assert_close(&reached, end, 1e-13, 1e-13);
        }
    }

    #[test]
    fn the_drift_is_finite_where_it_starts() {
        let x = Tensor::zeros((2, 1), DType::F32, &Device::Cpu).unwrap();
        for direction in [Direction::Forwards, Direction::Backwards] {
            let path = BridgeDrift::new(1.0, direction).unwrap();
            let mut rng = Generator::from_seed(0);
            let mut velocity = |t: f64| {
                let point = path.sample(&Time::Shared(t), &x, &x, &mut rng)?;
                point.velocity()
            };
            assert!(velocity(direction.start()).is_ok());
            assert!(velocity(direction.end()).is_err());
        }
    }
}
