//! `DDIMScheduler`.

use advect_core::Result;
use advect_samplers::grid::Respaced;
use advect_samplers::rule::Ddim;

use super::betas::{Diffusion, prediction};
use super::clip::Clip;
use super::clipped_ddim::ClippedDdim;
use super::spacing::Spacing;
use super::{Scheduler, SchedulerSampler, Steps};
use crate::Config;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct DdimSteps {
    diffusion: Diffusion,
    ends_clean: bool,
    clip: Option<Clip>,
}

pub(super) fn read(c: &mut Config) -> Result<Scheduler> {
    let diffusion = Diffusion::read(c, "leading", None)?;
    Ok(Scheduler {
        schedule: diffusion.path(),
        prediction: prediction(c)?,
        times: diffusion.indices()?,
        backwards: false,
        clip: None,
        steps: Steps::Ddim(DdimSteps {
            diffusion,
            ends_clean: c.optional("set_alpha_to_one", true)?,
            clip: Clip::read(c, true)?,
        }),
    })
}

impl DdimSteps {
    pub(super) fn sampler(&self, count: usize) -> Result<SchedulerSampler> {
        let grid = chained(&self.diffusion, count, self.ends_clean)?;
        Ok(match self.clip {
            None => SchedulerSampler::new(Ddim::new(), grid),
            Some(clip) => SchedulerSampler::new(ClippedDdim(clip), grid),
        })
    }
}

/// The steps of a scheduler that goes on by `T / n`, to the data, or to the least noise of training.
pub(super) fn chained(diffusion: &Diffusion, count: usize, ends_clean: bool) -> Result<Respaced> {
    let trained = diffusion.trained();
    let times = diffusion.timesteps(trained, count, false)?;
    let mut steps = Spacing::steps(&times);
    Spacing::check_chain(&steps, trained, count)?;
    match ends_clean {
        true => steps.push(0),
        // A step from the least noise to itself is none.
        false if steps.last() != Some(&1) => steps.push(1),
        false => {}
    }
    Respaced::given(trained, &steps)
}
