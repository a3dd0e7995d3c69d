//! `UniPCMultistepScheduler`.

use advect_core::Result;
use advect_samplers::rule::UniPc;

use super::dpm_solver::Levels;
use super::sigmas::{Curve, End};
use super::{Scheduler, SchedulerSampler, Steps};
use crate::Config;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct UniPcSteps {
    levels: Levels,
    rule: UniPc,
}

pub(super) fn read(c: &mut Config) -> Result<Scheduler> {
    let range = [
        c.optional("sigma_max", None)?,
        c.optional("sigma_min", None)?,
    ];
    let levels = Levels::read(c)?.within(range);
    if levels.end == End::Least {
        let accepted = "\"zero\": before others, the last steps would be of another order";
        return Err(c.wrong("final_sigmas_type", "\"sigma_min\"", accepted));
    }
    c.only("solver_type", "bh2", "the rule")?;
    c.only("predict_x0", true, "the rule")?;
    c.only("lower_order_final", true, "the order of the last steps")?;
    c.only("solver_p", (), "the rule")?;
    c.only("shift_terminal", (), "the levels of noise")?;
    let disabled: Vec<usize> = c.optional("disable_corrector", Vec::new())?;
    if !disabled.is_empty() {
        let accepted = "[]: all steps are corrected";
        return Err(c.wrong("disable_corrector", format!("{disabled:?}"), accepted));
    }
    let order = c.optional("solver_order", 2)?;
    let rule = UniPc::order(order).map_err(|_| c.wrong("solver_order", order, "1, 2 or 3"))?;
    let steps = UniPcSteps {
        levels: levels.clone(),
        rule,
    };
    let rounded = levels.curve() == Some(Curve::Karras);
    levels.scheduler(c, rounded, Steps::UniPc(steps))
}

impl UniPcSteps {
    pub(super) fn sampler(&self, count: usize) -> Result<SchedulerSampler> {
        Ok(SchedulerSampler::new(self.rule, self.levels.grid(count)?))
    }
}
