//! `PNDMScheduler`, without its Runge–Kutta steps.

use advect_core::Result;
use advect_paths::Prediction;
use advect_samplers::rule::Plms;

use super::betas::Diffusion;
use super::ddim::chained;
use super::{Scheduler, SchedulerSampler, Steps};
use crate::Config;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct PlmsSteps {
    diffusion: Diffusion,
    ends_clean: bool,
}

pub(super) fn read(c: &mut Config) -> Result<Scheduler> {
    // The class does not have it.
    c.ignore(&["rescale_betas_zero_snr"]);
    let diffusion = Diffusion::read(c, "leading", None)?;
    if !c.optional("skip_prk_steps", false)? {
        let accepted = "true: the Runge–Kutta steps with which this scheduler begins otherwise are not supported";
        return Err(c.wrong("skip_prk_steps", false, accepted));
    }
    let kinds = [
        ("epsilon", Prediction::Noise),
        ("v_prediction", Prediction::V),
    ];
    Ok(Scheduler {
        schedule: diffusion.path(),
        prediction: c.choice("prediction_type", &kinds)?,
        times: diffusion.indices()?,
        backwards: false,
        clip: None,
        steps: Steps::Plms(PlmsSteps {
            diffusion,
            ends_clean: c.optional("set_alpha_to_one", false)?,
        }),
    })
}

impl PlmsSteps {
    pub(super) fn sampler(&self, count: usize) -> Result<SchedulerSampler> {
        let (grid, _) = chained(&self.diffusion, count, self.ends_clean)?;
        Ok(SchedulerSampler::new(Plms, grid))
    }
}
