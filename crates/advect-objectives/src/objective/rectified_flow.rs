//! Rectified flow, its reflow and its distillation (Liu, Gong and Liu 2023).

use advect_core::{Field, Result, check};
use advect_ops::without_graph;
use advect_paths::path::Affine;
use advect_paths::schedule::CondOt;
use advect_solvers::Solver;
use advect_solvers::controller::Controller;
use advect_solvers::stepper::Stepper;
use candle_core::Tensor;

use super::{Regression, flow_matching};
use crate::time_sampler::Levels;

/// Creates the objective of rectified flow, `|(x1 − x0) − v(t, x_t)|² / d` on straight lines
/// `x_t = t x1 + (1 − t) x0` (Liu et al. 2023, eq. 1): flow matching with [`CondOt`] and σ_min = 0, between any two
/// distributions. Iterative α-(de)blending (Heitz, Belcour and Chambon 2023, section 4) is the same objective.
/// Sampling by Euler's steps is its algorithm 4, and [`blend`](advect_paths::closed_form::blend) is the stochastic
/// loop from which it is derived.
///
/// ```
/// use advect_objectives::objective::{flow_matching, rectified_flow};
/// use advect_paths::{path::Affine, schedule::CondOt};
/// assert_eq!(rectified_flow(), flow_matching(Affine::new(CondOt::default())));
/// ```
#[doc(alias = "rectified flow")]
#[doc(alias = "IADB")]
#[doc(alias = "1-rectified flow")]
pub fn rectified_flow() -> Regression<Affine<CondOt>> {
    flow_matching(Affine::new(CondOt::default()))
}

/// Returns the pairs `(z0, z1)` that a flow makes of source samples: the flow carries z0 to z1 (Liu et al. 2023,
/// algorithm 1). [`rectified_flow`] trained on them is 2-rectified flow, whose lines are straighter, and so on.
///
/// The source is carried in batches of `batch`, without a graph.
///
/// ```
/// use advect_core::{Time, field_fn};
/// use advect_objectives::objective::reflow;
/// use advect_solvers::{Solver, controller::Fixed, stepper::Rk4};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let velocity = field_fn(|_, x| Ok((x.ones_like()? * 2.0)?));
/// let z0 = Tensor::new(&[[0f64], [1.0], [2.0]], &Device::Cpu)?;
/// let (z0, z1) = reflow(&velocity, &Solver::new(Rk4, Fixed::steps(2)?), &z0, 2)?;
/// for way in (z1 - z0)?.flatten_all()?.to_vec1::<f64>()? {
///     assert!((way - 2.0).abs() < 1e-14);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Range`](advect_core::Error::Range) for a batch of 0, [`Error::Empty`](advect_core::Error::Empty) without
/// samples; the errors of the solver, and [`Error::Stopped`](advect_core::Error::Stopped) where it does not arrive.
#[doc(alias = "rectified flow")]
#[doc(alias = "2-rectified flow")]
pub fn reflow<S: Stepper, C: Controller<S>>(
    velocity: &impl Field,
    solver: &Solver<S, C>,
    z0: &Tensor,
    batch: usize,
) -> Result<(Tensor, Tensor)> {
    let count = check::batch("z0", z0)?;
    check::at_least_one("batch", batch)?;
    let mut ends = Vec::with_capacity(count.div_ceil(batch));
    for start in (0..count).step_by(batch) {
        let part = z0.narrow(0, start, batch.min(count - start))?.detach();
        let end = without_graph(|| solver.solve(velocity, &part, 0.0, 1.0)?.end())?;
        ends.push(end.detach());
    }
    Ok((z0.detach(), Tensor::cat(&ends, 0)?))
}

/// Creates the objective of distillation into one step, `|(z1 − z0) − v(0, z0)|² / d` on pairs of a flow (Liu et al.
/// 2023, section 2.2), after which `z0 + v(0, z0)` is a sample.
///
/// ```
/// use advect_core::{Generator, Time, field_fn};
/// use advect_objectives::objective::{Objective, one_step_distillation};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let (z0, z1) = (Tensor::new(&[[1f64]], &Device::Cpu)?, Tensor::new(&[[4f64]], &Device::Cpu)?);
/// let network = field_fn(|t, x| { assert_eq!(t.values()?, [0.0]); Ok((x * 2.0)?) });
/// let loss = one_step_distillation().loss(&network, &z0, &z1, &mut Generator::from_seed(0))?;
/// assert_eq!(loss.to_scalar::<f64>()?, 1.0);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "InstaFlow")]
pub fn one_step_distillation() -> Regression<Affine<CondOt>, Levels> {
    rectified_flow().times(Levels::start())
}
