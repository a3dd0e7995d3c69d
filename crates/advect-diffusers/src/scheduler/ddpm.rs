//! `DDPMScheduler`.

use advect_core::{Error, Result};
use advect_samplers::grid::Respaced;
use advect_samplers::rule::{Ancestral, Variance};

use super::betas::{Diffusion, prediction};
use super::clip::Clip;
use super::spacing::Spacing;
use super::{Scheduler, SchedulerSampler, Steps};
use crate::Config;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ddpm {
    diffusion: Diffusion,
    variance: Variance,
}

pub(super) fn read(c: &mut Config) -> Result<Scheduler> {
    let diffusion = Diffusion::read(c, "leading", None)?;
    let kinds = [
        ("fixed_small", Variance::Posterior),
        ("fixed_small_log", Variance::Posterior),
        ("fixed_large", Variance::Forward),
        ("learned_range", Variance::Learned),
    ];
    // Other classes write null, and diffusers' loop takes it for the default.
    if c.is("variance_type", ()) {
        c.ignore(&["variance_type"]);
    }
    let variance = c.choice("variance_type", &kinds)?;
    Ok(Scheduler {
        schedule: diffusion.path(),
        prediction: prediction(c)?,
        times: diffusion.indices()?,
        backwards: false,
        clip: Clip::read(c, true)?,
        steps: Steps::Ddpm(Ddpm {
            diffusion,
            variance,
        }),
    })
}

impl Ddpm {
    pub(super) fn sampler(&self, count: usize) -> Result<SchedulerSampler> {
        let trained = self.diffusion.trained();
        let times = self.diffusion.timesteps(trained, count, false)?;
        let mut steps = Spacing::steps(&times);
        if steps.last() != Some(&1) && self.variance != Variance::Posterior {
            let accepted = "a number for which the last timestep is 0 (see timestep_spacing): from a later one, a step of this variance_type would add noise to the \
                            data";
            return Err(Error::range("steps", count, accepted));
        }
        steps.push(0);
        let rule = Ancestral::new().variance(self.variance);
        Ok(SchedulerSampler::new(
            rule,
            Respaced::given(trained, &steps)?,
        ))
    }
}
