//! `UniPCMultistepScheduler`.

use advect_core::{Error, Result};
use advect_samplers::rule::UniPc;

use super::levels::Levels;
use super::network_times::Whole;
use super::sigmas::{Curve, End};
use super::{Scheduler, SchedulerSampler, Steps};
use crate::Config;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct UniPcSteps {
    levels: Levels,
    rule: UniPc,
    /// Whether all steps but the first two have order 3.
    keeps_third: bool,
}

pub(super) fn read(c: &mut Config) -> Result<Scheduler> {
    let range = Curve::range(c)?;
    let levels = Levels::read(c)?.within(range);
    let (curve, whole) = match levels.curve() {
        Some(Curve::Karras) => (Some(Curve::Karras), Whole::Nearest),
        other => (other, Whole::Below),
    };
    let levels = levels.along(c, curve, whole)?;
    // The last three are of other classes, and mean the default here.
    let kinds = [
        ("bh2", false),
        ("bh1", true),
        ("midpoint", false),
        ("heun", false),
        ("logrho", false),
    ];
    let first = c.choice("solver_type", &kinds)?;
    c.only("predict_x0", true, "the rule")?;
    let falls = c.optional("lower_order_final", true)?;
    if !falls && levels.end == End::Clean {
        let accepted =
            "true: a step to the data, which is infinitely long in ln (α/σ), has no higher order";
        return Err(c.wrong("lower_order_final", false, accepted));
    }
    c.only("solver_p", (), "the rule")?;
    c.only("shift_terminal", (), "the levels of noise")?;
    let disabled: Vec<usize> = c.optional("disable_corrector", Vec::new())?;
    if !disabled.is_empty() {
        let accepted = "[]: all steps are corrected";
        return Err(c.wrong("disable_corrector", format!("{disabled:?}"), accepted));
    }
    let order = c.optional("solver_order", 2)?;
    let rule = UniPc::order(order).map_err(|_| c.wrong("solver_order", order, "1, 2 or 3"))?;
    let rule = if first { rule.linear_scale() } else { rule };
    let steps = UniPcSteps {
        levels: levels.clone(),
        keeps_third: !falls && order == 3,
        rule: match falls {
            true => rule.lower_final_order(),
            false => rule,
        },
    };
    levels.scheduler(c, Steps::UniPc(steps))
}

impl UniPcSteps {
    pub(super) fn sampler(&self, count: usize) -> Result<SchedulerSampler> {
        let levels = self.levels.staying(count)?;
        if levels.stays && self.keeps_third {
            let accepted = "true: a step of order 3 from the least level to itself is not a number in diffusers";
            return Err(Error::range("lower_order_final", false, accepted));
        }
        // diffusers evaluates the network there, and corrects the step before.
        let rule = match levels.stays {
            true => self.rule.correct_end(),
            false => self.rule,
        };
        Ok(SchedulerSampler::new(rule, levels.grid(count)?))
    }
}
