//! `DDIMScheduler`.

use advect_core::{Error, Result};
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
        let (grid, stays) = chained(&self.diffusion, count, self.ends_clean)?;
        Ok(match self.clip {
            None => SchedulerSampler::new(Ddim::new(), grid),
            Some(clip) => SchedulerSampler::new(ClippedDdim { clip, stays }, grid),
        })
    }
}

/// The steps of a scheduler that goes on by `T / n`, to the data, or to the least noise of training. Also, whether another step follows from there
/// to itself, which does nothing unless the data is bounded.
pub(super) fn chained(
    diffusion: &Diffusion,
    count: usize,
    ends_clean: bool,
) -> Result<(Respaced, bool)> {
    let trained = diffusion.trained();
    let times = diffusion.timesteps(trained, count, false)?;
    let mut steps = Spacing::steps(&times);
    Spacing::check_chain(&steps, trained, count)?;
    let stays = !ends_clean && steps.last() == Some(&1);
    match (ends_clean, stays) {
        (true, _) => steps.push(0),
        (false, false) => steps.push(1),
        (false, true) if steps.len() == 1 => {
            let accepted = "2 or more: with set_alpha_to_one false, the only step would be from the least noise to itself";
            return Err(Error::range("steps", count, accepted));
        }
        (false, true) => {}
    }
    Ok((Respaced::given(trained, &steps)?, stays))
}
