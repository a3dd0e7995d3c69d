//! `FlowMatchEulerDiscreteScheduler`.

use advect_core::{Error, Result};
use advect_paths::Prediction;
use advect_paths::schedule::CondOt;
use advect_samplers::grid::GivenTimes;
use advect_samplers::rule::Ddim;

use super::shift::{Shift, shifted};
use super::sigmas::Curve;
use super::{NetworkTimes, PathSchedule, Scheduler, SchedulerSampler, Steps};
use crate::Config;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct FlowMatching {
    trained: usize,
    pub(super) shift: Shift,
    /// The least noise that levels are stretched to.
    terminal: Option<f64>,
    curve: Option<Curve>,
    range: [Option<f64>; 2],
}

pub(super) fn read(c: &mut Config) -> Result<Scheduler> {
    let levels = "the levels of noise";
    c.only("invert_sigmas", false, levels)?;
    c.only("stochastic_sampling", false, "the rule")?;
    let matching = FlowMatching {
        trained: c.optional("num_train_timesteps", 1000)?,
        shift: Shift::read(c)?,
        terminal: c.optional("shift_terminal", None)?,
        curve: Curve::read(c)?,
        range: Curve::range(c)?,
    };
    if matching.trained == 0 {
        return Err(c.wrong("num_train_timesteps", 0, "at least 1"));
    }
    if let Some(end) = matching.terminal.filter(|end| !(0.0..1.0).contains(end)) {
        return Err(c.wrong("shift_terminal", end, "a number in [0, 1), or null"));
    }
    Ok(Scheduler {
        schedule: PathSchedule::Straight(CondOt::default()),
        prediction: Prediction::Velocity,
        times: NetworkTimes::falling(matching.trained as f64)?,
        backwards: true,
        clip: None,
        steps: Steps::FlowMatching(matching),
    })
}

impl FlowMatching {
    pub(super) fn sampler(&self, count: usize) -> Result<SchedulerSampler> {
        const MOST: usize = 10_000_000;
        if !(1..=MOST).contains(&count) {
            return Err(Error::range(
                "steps",
                count,
                format!("a number from 1 to {MOST}"),
            ));
        }
        // Equal steps from 1 to the least noise of training, and a shift of all of them. A fixed shift has moved the least noise before.
        let factor = self.shift.factor()?;
        let least = match self.shift {
            Shift::Fixed(_) => shifted(1.0 / self.trained as f64, factor),
            Shift::Dynamic(_) => 1.0 / self.trained as f64,
        };
        let last = (count.max(2) - 1) as f64;
        let equal = |i: usize| 1.0 + (least - 1.0) * i as f64 / last;
        let mut sigmas: Vec<f64> = (0..count).map(|i| shifted(equal(i), factor)).collect();
        if let Some(terminal) = self.terminal.filter(|end| *end != 0.0) {
            let scale = (1.0 - sigmas[count - 1]) / (1.0 - terminal);
            for sigma in &mut sigmas {
                *sigma = 1.0 - (1.0 - *sigma) / scale;
            }
        }
        if let Some(curve) = self.curve {
            let [most, least] = self.range;
            let most = most.unwrap_or(sigmas[0]);
            sigmas = curve.levels(most, least.unwrap_or(sigmas[count - 1]), count);
        }
        sigmas.push(0.0);
        let times: Vec<f64> = sigmas.iter().map(|sigma| 1.0 - sigma).collect();
        Ok(SchedulerSampler::new(Ddim::new(), GivenTimes::new(&times)?))
    }
}
