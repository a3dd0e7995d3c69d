//! A preconditioner for a network with its own scale of time.

use super::Preconditioner;
use crate::time_map::TimeMap;

/// A [`Preconditioner`] with a [`TimeMap`] of the path's time in place of `c_noise`; [`Preconditioner::with_times`] makes it.
///
/// ```
/// use advect_core::{Field, Time, field_fn};
/// use advect_paths::preconditioner::{Preconditioned, Preconditioner, VpPreconditioner};
/// use advect_paths::schedule::DiscreteDiffusion;
/// use advect_paths::time_map::DiscreteTimes;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // A network that predicts the noise and was trained on DDPM's steps 0 … 999, as a denoiser.
/// let schedule = DiscreteDiffusion::default();
/// let network = field_fn(|step, x| {
///     assert_eq!(step.values()?, [249.0]);
///     Ok(x.zeros_like()?)
/// });
/// let preconditioner = VpPreconditioner::default().with_times(DiscreteTimes::steps(1000)?);
/// let denoiser = Preconditioned::new(&network, &preconditioner, &schedule);
/// let x = Tensor::new(&[1f64], &Device::Cpu)?;
/// let data = denoiser.at(&Time::Shared(0.75), &x)?.to_vec1::<f64>()?;
/// assert!((data[0] - 1.0 / schedule.alpha_bar(250).sqrt()).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WithTimes<P, M> {
    preconditioner: P,
    map: M,
}

impl<P: Preconditioner, M: TimeMap> WithTimes<P, M> {
    pub(super) fn new(preconditioner: P, map: M) -> Self {
        WithTimes {
            preconditioner,
            map,
        }
    }
}

impl<P: Preconditioner, M: TimeMap> Preconditioner for WithTimes<P, M> {
    fn skip(&self, noise: f64) -> f64 {
        self.preconditioner.skip(noise)
    }
    fn output(&self, noise: f64) -> f64 {
        self.preconditioner.output(noise)
    }
    fn input(&self, noise: f64) -> f64 {
        self.preconditioner.input(noise)
    }
    fn label(&self, t: f64, _: f64) -> f64 {
        self.map.at(t)
    }
}
