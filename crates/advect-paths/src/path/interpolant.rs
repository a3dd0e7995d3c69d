//! Stochastic interpolants (Albergo, Boffi and Vanden-Eijnden 2023, definition 2.1, with the spatially linear
//! interpolants of section 4).

use advect_core::{Generator, Result, Time, check};
use advect_ops::combine;
use candle_core::Tensor;

use super::gamma::Gamma;
use super::{Path, PathPoint, check_ends, factor};
use crate::schedule::Schedule;

/// The stochastic interpolant `x_t = I(t, x0, x1) + γ(t) z` with `I = α(t) x1 + σ(t) x0`, `z ~ N(0, I)` and velocity
/// `∂_t I + γ' z`, between any two distributions.
///
/// I is linear with [`CondOt`](crate::schedule::CondOt), trigonometric with [`Cosine`](crate::schedule::Cosine), or goes
/// by way of pure noise with [`EncodingDecoding`](crate::schedule::EncodingDecoding). The score is `−z/γ`.
///
/// ```
/// use advect_core::{Generator, Time};
/// use advect_paths::path::{Interpolant, gamma::BrownianBridge};
/// use advect_paths::schedule::CondOt;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let (x0, x1) = (Tensor::new(&[1.0f64], &Device::Cpu)?, Tensor::new(&[5.0f64], &Device::Cpu)?);
/// let z = Tensor::new(&[2.0f64], &Device::Cpu)?;
/// let path = Interpolant::new(CondOt::default(), BrownianBridge::new(1.0)?);
/// let point = path.at_noise(&Time::Shared(0.5), &x0, &x1, &z)?;
/// assert_eq!(point.x.to_vec1::<f64>()?, [4.0]); // 3 + z/2
/// assert_eq!(point.velocity()?.to_vec1::<f64>()?, [4.0]);
/// assert_eq!(point.score()?.to_vec1::<f64>()?, [-4.0]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "stochastic interpolant")]
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Interpolant<S, G> {
    schedule: S,
    gamma: G,
}

impl<S: Schedule, G: Gamma> Interpolant<S, G> {
    /// Creates an interpolant from the coefficients of the ends and of the noise.
    pub fn new(schedule: S, gamma: G) -> Self {
        Interpolant { schedule, gamma }
    }

    /// Returns the coefficients of the ends.
    pub fn schedule(&self) -> &S {
        &self.schedule
    }

    /// Returns the coefficient of the noise.
    pub fn gamma(&self) -> &G {
        &self.gamma
    }

    /// Returns the point with given noise `z`, shaped like the endpoints.
    ///
    /// # Errors
    /// As [`Path::sample`].
    pub fn at_noise(&self, t: &Time, x0: &Tensor, x1: &Tensor, z: &Tensor) -> Result<PathPoint> {
        let times = check_ends(t, x0, x1)?;
        check::alike("z", z, "x0", x0)?;
        let (s, g) = (&self.schedule, &self.gamma);
        let of = |f: &dyn Fn(f64) -> f64| factor(t, &times, f);
        let gamma = of(&|t| g.gamma(t));
        let ends = [(of(&|t| s.alpha(t)), x1), (of(&|t| s.sigma(t)), x0)];
        let [data, source] = ends;
        let velocity = vec![
            (of(&|t| s.d_alpha(t)), x1.clone()),
            (of(&|t| s.d_sigma(t)), x0.clone()),
            (of(&|t| g.d_gamma(t)), z.clone()),
        ];
        let x = combine(&[data, source, (gamma.clone(), z)])?;
        Ok(PathPoint::linear(x, velocity)
            .with_data(x1.clone())
            .with_noise(z.clone(), gamma))
    }
}

impl<S: Schedule, G: Gamma> Path for Interpolant<S, G> {
    fn sample(&self, t: &Time, x0: &Tensor, x1: &Tensor, rng: &mut Generator) -> Result<PathPoint> {
        check_ends(t, x0, x1)?;
        self.at_noise(t, x0, x1, &rng.normal_like(x0)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::contract;
    use crate::path::gamma::{BrownianBridge, Constant, Parabola, SineSquared};
    use crate::schedule::{CondOt, Cosine, EncodingDecoding};

    #[test]
    fn keeps_the_contract() {
        contract::check(&Interpolant::new(
            CondOt::default(),
            BrownianBridge::new(2.0).unwrap(),
        ));
        contract::check(&Interpolant::new(Cosine, Parabola));
        contract::check(&Interpolant::new(Cosine, Constant::new(0.3).unwrap()));
        contract::check(&Interpolant::new(EncodingDecoding, SineSquared));
    }
}
