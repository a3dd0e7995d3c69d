//! `DPMSolverMultistepScheduler`.

use advect_core::{Error, Result};
use advect_samplers::grid::{GivenSigmas, Grid, Respaced};
use advect_samplers::rule::DpmSolver;

use super::betas::{Diffusion, prediction};
use super::clip::Clip;
use super::euler::LEAST;
use super::sigmas::{Curve, End};
use super::spacing::Spacing;
use super::{NetworkTimes, Scheduler, SchedulerSampler, Steps};
use crate::Config;

/// On grids of fewer steps, the last ones are of lower order.
const FEW: usize = 15;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct DpmSolverSteps {
    levels: Levels,
    rule: DpmSolver,
    order: usize,
    lower_order_final: bool,
    euler_at_final: bool,
}

/// The levels of solvers in `ln (α/σ)`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Levels {
    diffusion: Diffusion,
    curve: Option<Curve>,
    range: [Option<f64>; 2],
    pub(super) end: End,
    /// The number of steps of training that are used.
    last: usize,
}

impl Levels {
    pub(super) fn read(c: &mut Config) -> Result<Self> {
        let diffusion = Diffusion::read(c, "linspace", Some(LEAST))?;
        c.only("use_flow_sigmas", false, "the path")?;
        c.only("use_dynamic_shifting", false, "the levels of noise")?;
        c.ignore(&["flow_shift", "time_shift_type"]);
        Ok(Levels {
            curve: Curve::read(c)?,
            range: [None, None],
            end: End::read(c)?,
            last: diffusion.trained(),
            diffusion,
        })
    }

    /// The levels of n steps.
    pub(super) fn grid(&self, count: usize) -> Result<Box<dyn Grid + Send + Sync>> {
        let trained = self.diffusion.trained();
        let times = self.diffusion.timesteps(self.last, count, true)?;
        if let Some(curve) = self.curve {
            let ratios = self.diffusion.ratios();
            let [most, least] = [
                self.range[0].unwrap_or(ratios[trained - 1]),
                self.range[1].unwrap_or(ratios[0]),
            ];
            let mut sigmas = curve.levels(most, least, count);
            match self.end {
                End::Clean => sigmas.push(0.0),
                End::Least if least > ratios[0] => sigmas.push(ratios[0]),
                End::Least => {}
            }
            return Ok(Box::new(GivenSigmas::new(&sigmas)?));
        }
        let mut steps = Spacing::steps(&times);
        match self.end {
            End::Clean => steps.push(0),
            End::Least if steps.last() != Some(&1) => steps.push(1),
            End::Least => {}
        }
        Ok(Box::new(Respaced::given(trained, &steps)?))
    }

    /// The scheduler of a class with these levels, whose network receives whole steps.
    pub(super) fn scheduler(
        &self,
        c: &mut Config,
        rounded: bool,
        steps: Steps,
    ) -> Result<Scheduler> {
        let diffusion = &self.diffusion;
        let times = match self.curve {
            None => diffusion.indices()?,
            Some(_) => {
                NetworkTimes::by_logarithm(&diffusion.schedule, &diffusion.ratios(), rounded)
            }
        };
        Ok(Scheduler {
            schedule: diffusion.path(),
            prediction: prediction(c)?,
            times,
            backwards: false,
            clip: Clip::read(c, false)?,
            steps,
        })
    }

    /// Sets the largest and the least level.
    pub(super) fn within(self, range: [Option<f64>; 2]) -> Self {
        Levels { range, ..self }
    }

    pub(super) fn curve(&self) -> Option<Curve> {
        self.curve
    }

    /// Leaves out the steps with the most noise, where `ln (α/σ)` is below a number.
    fn above(self, least: f64) -> Self {
        let ratios = self.diffusion.ratios();
        let last = ratios.iter().filter(|ratio| -ratio.ln() >= least).count();
        Levels { last, ..self }
    }
}

pub(super) fn read(c: &mut Config) -> Result<Scheduler> {
    let rounds = !c.is("beta_schedule", "squaredcos_cap_v2");
    let least = c.optional("lambda_min_clipped", f64::NEG_INFINITY)?;
    let levels = Levels::read(c)?.above(least);
    if levels.curve() == Some(Curve::Karras) && !rounds {
        let accepted = "another one beside use_karras_sigmas: the network would be told times that are cut to whole steps";
        return Err(c.wrong("beta_schedule", "squaredcos_cap_v2", accepted));
    }
    if levels.curve() == Some(Curve::Exponential) {
        let accepted = "false: the network would be told times that are cut to whole steps";
        return Err(c.wrong("use_exponential_sigmas", true, accepted));
    }
    c.only("use_lu_lambdas", false, "the levels of noise")?;
    c.only("solver_type", "midpoint", "the rule")?;
    let noise = c.choice(
        "algorithm_type",
        &[("dpmsolver++", 0.0), ("sde-dpmsolver++", 1.0)],
    )?;
    let order: usize = c.optional("solver_order", 2)?;
    let rule = match order {
        1 | 2 => DpmSolver::order(order)?.stochastic(noise)?,
        3 if noise == 0.0 => DpmSolver::customary_third_order(),
        _ => {
            let accepted = "1 or 2, or 3 with algorithm_type \"dpmsolver++\"";
            return Err(c.wrong("solver_order", order, accepted));
        }
    };
    let steps = DpmSolverSteps {
        levels: levels.clone(),
        rule,
        order,
        lower_order_final: c.optional("lower_order_final", true)?,
        euler_at_final: c.optional("euler_at_final", false)?,
    };
    levels.scheduler(c, true, Steps::DpmSolver(steps))
}

impl DpmSolverSteps {
    pub(super) fn sampler(&self, count: usize) -> Result<SchedulerSampler> {
        // Ours lowers the order towards clean data alone, and there always.
        let few = self.lower_order_final && count < FEW;
        let alike = match self.levels.end {
            _ if self.order == 1 => true,
            End::Clean => self.order == 2 || few || count >= FEW,
            End::Least => !few && !self.euler_at_final,
        };
        if !alike {
            let accepted = "a number for which the last steps are of the order that ours have (see lower_order_final, euler_at_final and final_sigmas_type)";
            return Err(Error::range("steps", count, accepted));
        }
        Ok(SchedulerSampler::new(self.rule, self.levels.grid(count)?))
    }
}
