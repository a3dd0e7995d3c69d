//! The affine path (Lipman et al. 2023, Thm 3 for x0 ~ N(0, I); Albergo et al. 2023 for any source).

use advect_core::{Generator, Result, Time};
use advect_ops::combine;
use candle_core::Tensor;

use super::{Path, PathPoint, check_ends, factor};
use crate::schedule::Schedule;

/// The affine path `x_t = α(t) x1 + σ(t) x0` with velocity `α'(t) x1 + σ'(t) x0`, for any [`Schedule`].
///
/// Where x0 is standard normal noise, independent of x1, it is the noise of the path, and its score is `−x0/σ`. Pairs that
/// a coupling made are not independent: on them the score means nothing, though the velocity does; paths with noise of
/// their own, such as [`ConstantSigma`](super::ConstantSigma) and [`SchrodingerBridge`](super::SchrodingerBridge), have a
/// score for any pairs.
///
/// | with | it is the path of |
/// | --- | --- |
/// | [`CondOt`](crate::schedule::CondOt), σ_min > 0, and noise for x0 | target CFM (Lipman et al. 2023) |
/// | [`CondOt`](crate::schedule::CondOt), σ_min = 0 | rectified flow (Liu et al. 2023) |
/// | [`Cosine`](crate::schedule::Cosine) | VP-CFM (Albergo and Vanden-Eijnden 2023) |
/// | the diffusions' schedules, and noise for x0 | score matching and diffusion |
///
/// ```
/// use advect_core::{Generator, Time};
/// use advect_paths::{path::{Affine, Path}, schedule::Cosine};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let (x0, x1) = (Tensor::new(&[3.0f64], &Device::Cpu)?, Tensor::new(&[1.0f64], &Device::Cpu)?);
/// let point = Affine::new(Cosine).sample(&0.0.into(), &x0, &x1, &mut Generator::from_seed(0))?;
/// assert_eq!(point.x.to_vec1::<f64>()?, [3.0]);
/// assert_eq!(point.score()?.to_vec1::<f64>()?, [-3.0]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "interpolant")]
#[doc(alias = "probability path")]
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Affine<S> {
    schedule: S,
}

impl<S: Schedule> Affine<S> {
    /// Creates the affine path of a schedule.
    pub fn new(schedule: S) -> Self {
        Affine { schedule }
    }

    /// Returns the path's schedule.
    pub fn schedule(&self) -> &S {
        &self.schedule
    }
}

impl<S: Schedule> Path for Affine<S> {
    fn sample(&self, t: &Time, x0: &Tensor, x1: &Tensor, _: &mut Generator) -> Result<PathPoint> {
        let times = check_ends(t, x0, x1)?;
        let s = &self.schedule;
        let of = |f: &dyn Fn(f64) -> f64| factor(t, &times, f);
        let (alpha, sigma) = (of(&|t| s.alpha(t)), of(&|t| s.sigma(t)));
        let velocity = vec![
            (of(&|t| s.d_alpha(t)), x1.clone()),
            (of(&|t| s.d_sigma(t)), x0.clone()),
        ];
        let v = vec![
            (alpha.clone(), x0.clone()),
            (of(&|t| -s.sigma(t)), x1.clone()),
        ];
        let x = combine(&[(alpha, x1), (sigma.clone(), x0)])?;
        Ok(PathPoint::linear(x, velocity)
            .with_data(x1.clone())
            .with_noise(x0.clone(), sigma)
            .with_v(v))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::contract;
    use crate::schedule::{
        CondOt, Cosine, EdmSchedule, LinearVariancePreserving, SubVariancePreserving,
        VarianceExploding, VariancePreserving,
    };

    #[test]
    fn keeps_the_contract() {
        contract::check(&Affine::new(CondOt::new(0.1).unwrap()));
        contract::check(&Affine::new(Cosine));
        contract::check(&Affine::new(VariancePreserving::default()));
        contract::check(&Affine::new(SubVariancePreserving::default()));
        contract::check(&Affine::new(LinearVariancePreserving));
        contract::check(&Affine::new(VarianceExploding::new(0.01, 3.0).unwrap()));
        contract::check(&Affine::new(EdmSchedule::new(0.01, 3.0, 2.0).unwrap()));
    }
}
