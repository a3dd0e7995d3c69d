//! `DPMSolverMultistepScheduler`.

use advect_core::{Error, Result};
use advect_samplers::rule::DpmSolver;

use super::levels::Levels;
use super::network_times::Whole;
use super::sigmas::{Curve, End};
use super::{Scheduler, SchedulerSampler, Steps};
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

pub(super) fn read(c: &mut Config) -> Result<Scheduler> {
    let least = c.optional("lambda_min_clipped", f64::NEG_INFINITY)?;
    let range = Curve::range(c)?;
    let levels = Levels::read(c)?.above(least);
    // Equal steps of ln (α/σ). Of other curves, Karras' comes before it.
    let lu = c.optional("use_lu_lambdas", Some(false))? == Some(true);
    let nearest = match levels.is_cosine() {
        true => Whole::Below,
        false => Whole::Nearest,
    };
    let (curve, whole, range) = match levels.curve() {
        Some(Curve::Karras) => (Some(Curve::Karras), nearest, range),
        // These are always from the largest level of training to the least.
        _ if lu => (Some(Curve::Exponential), nearest, [None, None]),
        other => (other, Whole::Below, range),
    };
    let levels = levels.along(c, curve, whole)?.within(range);
    let (order, rule) = rule(c)?;
    let steps = DpmSolverSteps {
        levels: levels.clone(),
        rule,
        order,
        lower_order_final: c.optional("lower_order_final", true)?,
        euler_at_final: c.optional("euler_at_final", false)?,
    };
    levels.scheduler(c, Steps::DpmSolver(steps))
}

/// Reads the order and the rule.
fn rule(c: &mut Config) -> Result<(usize, DpmSolver)> {
    // The last three are of other classes, and mean the default here.
    let kinds = [
        ("midpoint", false),
        ("heun", true),
        ("logrho", false),
        ("bh1", false),
        ("bh2", false),
    ];
    let heun = c.choice("solver_type", &kinds)?;
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
    match heun {
        true => Ok((order, rule.heun())),
        false => Ok((order, rule)),
    }
}

impl DpmSolverSteps {
    pub(super) fn sampler(&self, count: usize) -> Result<SchedulerSampler> {
        // Ours lowers the order towards clean data alone, and there always.
        let made = self.levels.made(count)?;
        let few = self.lower_order_final && made < FEW;
        let (alike, accepted) = match self.levels.end {
            _ if self.order == 1 => (true, ""),
            End::Clean => (
                self.order == 2 || few || made >= FEW,
                "a number that makes 15 steps or more: with fewer, order 3 needs lower_order_final, as the rule here lowers the order of the last steps",
            ),
            End::Least => (
                !few && !self.euler_at_final,
                "a number that makes 15 steps or more, without euler_at_final: with final_sigmas_type \"sigma_min\", the rule here does not lower the order of the last \
                 steps",
            ),
        };
        if !alike {
            return Err(Error::range("steps", count, accepted));
        }
        Ok(SchedulerSampler::new(self.rule, self.levels.grid(count)?))
    }
}
