//! The affine path (Lipman et al. 2023, Thm 3 for x0 ~ N(0, I); Albergo et al. 2023 for any source).

use advect_core::{Generator, Result, Time};
use advect_ops::combine;
use candle_core::Tensor;

use super::{Path, PathPoint, check_ends};
use crate::schedule::Schedule;

/// `x_t = α(t) x1 + σ(t) x0` with velocity `α'(t) x1 + σ'(t) x0`, for any [`Schedule`].
///
/// ```
/// use advect_core::{Generator, Time};
/// use advect_paths::{path::{Affine, Path}, schedule::Cosine};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let (x0, x1) = (Tensor::new(&[3.0f64], &Device::Cpu)?, Tensor::new(&[1.0f64], &Device::Cpu)?);
/// let point = Affine::new(Cosine).sample(&1.0.into(), &x0, &x1, &mut Generator::from_seed(0))?;
/// assert_eq!(point.x.to_vec1::<f64>()?, [1.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Affine<S> {
    schedule: S,
}

impl<S: Schedule> Affine<S> {
    /// The affine path of a schedule.
    pub fn new(schedule: S) -> Self {
        Affine { schedule }
    }

    /// The path's schedule.
    pub fn schedule(&self) -> &S {
        &self.schedule
    }
}

impl<S: Schedule> Path for Affine<S> {
    fn sample(&self, t: &Time, x0: &Tensor, x1: &Tensor, _: &mut Generator) -> Result<PathPoint> {
        check_ends(t, x0, x1)?;
        let s = &self.schedule;
        let mix = |data: &dyn Fn(f64) -> f64, noise: &dyn Fn(f64) -> f64| -> Result<Tensor> {
            combine(&[(t.coefficient(data)?, x1), (t.coefficient(noise)?, x0)])
        };
        Ok(PathPoint {
            x: mix(&|t| s.alpha(t), &|t| s.sigma(t))?,
            velocity: mix(&|t| s.d_alpha(t), &|t| s.d_sigma(t))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::contract;
    use crate::schedule::{CondOt, Cosine, VariancePreserving};

    #[test]
    fn keeps_the_contract() {
        contract::check(&Affine::new(CondOt::new(0.1).unwrap()));
        contract::check(&Affine::new(Cosine));
        contract::check(&Affine::new(VariancePreserving::default()));
    }
}
