//! Entropic optimal transport by Sinkhorn's iterations (Cuturi 2013), stabilised in the log domain (Schmitzer 2019,
//! algorithm 2; Peyré and Cuturi 2019, section 4.4).
//!
//! The plan is `π_ij = exp((f_i + g_j − c_ij)/ε)` with potentials f and g. They are updated through scalings u and v of a
//! kernel that has the potentials in it; when scalings grow large they go into the potentials, so that nothing under-
//! or overflows whatever ε is. A small ε is approached through larger ones.

mod divergence;
mod filling;
mod kernel;
mod pass;
mod plan;
mod relaxation;
mod support;

use advect_core::{Error, Result, check};

use crate::{Cost, weights};
use kernel::Kernel;
use relaxation::Relaxation;
use support::Support;

pub use divergence::SinkhornDivergence;
pub use plan::Plan;

/// A solver of `min_π Σ π_ij c_ij + ε Σ π_ij (ln π_ij − 1)` over plans π with given marginals.
///
/// ```
/// use advect_transport::{Cost, Sinkhorn};
/// # fn main() -> advect_core::Result<()> {
/// let cost = Cost::new(2, 2, vec![0.0, 1.0, 1.0, 0.0])?;
/// let plan = Sinkhorn::new(0.5)?.solve(&cost)?;
/// assert!(plan.converged());
/// // By symmetry π = [[p, q], [q, p]] with q/p = exp(−1/ε) and p + q = 1/2.
/// let p = 0.5 / (1.0 + (-2.0f64).exp());
/// assert!((plan.row(0)[0] - p).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "entropic optimal transport")]
#[doc(alias = "optimal transport")]
#[doc(alias = "OT")]
#[doc(alias = "Cuturi")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sinkhorn {
    regularization: f64,
    tolerance: f64,
    max_iterations: usize,
    penalty: f64,
}

/// The factor between the regularisations on the way to a small one.
const STAGE: f64 = 0.25;
/// The error to which they are solved.
const STAGE_TOLERANCE: f64 = 1e-2;
/// From this multiple of the regularisation on, the largest cost calls for stages.
const STAGES_FROM: f64 = 100.0;

impl Sinkhorn {
    /// Creates a solver with a regularisation ε, in units of the cost. It makes up to 10,000 iterations, to an error of
    /// 1e-9.
    ///
    /// # Errors
    /// [`Error::Range`] unless it is finite and above 0.
    pub fn new(regularization: f64) -> Result<Self> {
        let regularization = check::positive("regularization", regularization)?;
        Ok(Sinkhorn {
            regularization,
            tolerance: 1e-9,
            max_iterations: 10_000,
            penalty: f64::INFINITY,
        })
    }

    /// Sets the goal for [`Plan::error`].
    ///
    /// # Errors
    /// [`Error::Range`] unless it is finite and above 0.
    pub fn tolerance(self, tolerance: f64) -> Result<Self> {
        let tolerance = check::positive("tolerance", tolerance)?;
        Ok(Sinkhorn { tolerance, ..self })
    }

    /// Sets the largest number of iterations, over all stages.
    ///
    /// # Errors
    /// [`Error::Range`] for 0.
    pub fn max_iterations(self, max_iterations: usize) -> Result<Self> {
        check::at_least_one("max_iterations", max_iterations)?;
        Ok(Sinkhorn {
            max_iterations,
            ..self
        })
    }

    /// Makes the transport unbalanced: marginals may differ from the given ones, at a price of `penalty` times the
    /// Kullback–Leibler divergence of each (Chizat et al. 2018). Points that are far from all others are left out.
    ///
    /// # Errors
    /// [`Error::Range`] unless the penalty is above 0; infinity is balanced transport.
    #[doc(alias = "UOT")]
    #[doc(alias = "KL divergence")]
    pub fn unbalanced(self, penalty: f64) -> Result<Self> {
        if penalty.is_nan() || penalty <= 0.0 {
            return Err(Error::range("penalty", penalty, "a number above 0"));
        }
        Ok(Sinkhorn { penalty, ..self })
    }

    /// Returns whether marginals may differ from the given ones.
    pub fn is_unbalanced(&self) -> bool {
        self.penalty < f64::INFINITY
    }

    /// Returns the plan between equal weights, `1/rows` and `1/columns`.
    ///
    /// A plan that has not converged after the last iteration is returned as it is; see [`Plan::converged`].
    ///
    /// # Errors
    /// [`Error::Stopped`] if the numbers overflow: with costs that are 1e13 times the regularisation; [`Error::Range`] for a row
    /// or column whose costs are all ∞, unless the plan is unbalanced.
    pub fn solve(&self, cost: &Cost) -> Result<Plan> {
        let equal = |n: usize| vec![1.0 / n as f64; n];
        self.solve_weighted(cost, &equal(cost.rows()), &equal(cost.columns()))
    }

    /// Returns the plan between given weights of rows and columns: none below 0, of sum 1 on each side.
    ///
    /// Weights that miss the sum of 1 by no more than the rounding of 32 bits, `(count + 8) · 2⁻²⁴`, are divided by
    /// their sum. A point of weight 0, or of less than 1e-150, is left out. From an unbalanced plan, so is a point whose costs are all ∞. The
    /// potentials of these points are −∞.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is a weight for each row and column; [`Error::Range`] for other weights, and for
    /// points with a weight that have no finite cost; as [`Sinkhorn::solve`].
    pub fn solve_weighted(&self, cost: &Cost, rows: &[f64], columns: &[f64]) -> Result<Plan> {
        let row_sum = weights::check("rows", rows, cost.rows())?;
        let column_sum = weights::check("columns", columns, cost.columns())?;
        let whole = |weights: &[f64], sum: f64| weights.iter().map(|w| w / sum).collect();
        let (rows, columns): (Vec<f64>, Vec<f64>) =
            (whole(rows, row_sum), whole(columns, column_sum));
        let support = Support::new(cost, &rows, &columns, self.is_unbalanced())?;
        let mut plan = match support.is_all(cost) {
            true => self.iterate(cost, &rows, &columns)?,
            false => {
                let (a, b) = support.weights(&rows, &columns);
                let plan = self.iterate(&support.costs(cost), &a, &b)?;
                support.spread(plan, &rows, &columns)
            }
        };
        if cost.has_forbidden() {
            let costs = (0..cost.rows()).flat_map(|i| cost.row(i));
            plan.forbidden = costs.map(|c| *c == f64::INFINITY).collect();
        }
        Ok(plan)
    }

    /// The plan between weights above 0, with a finite cost in each row and column.
    fn iterate(&self, cost: &Cost, rows: &[f64], columns: &[f64]) -> Result<Plan> {
        let mut kernel = Kernel::new(cost, rows, columns);
        let mut iterations = 0;
        for regularization in self.stages(cost) {
            let last = regularization == self.regularization;
            let tolerance = if last {
                self.tolerance
            } else {
                STAGE_TOLERANCE
            };
            kernel.regularize(regularization, self.penalty)?;
            let mut relaxation = Relaxation::new();
            loop {
                iterations += 1;
                let factor = relaxation.factor();
                let error = kernel.iterate(factor)?;
                let (near, spent) = (error <= tolerance, iterations >= self.max_iterations);
                if last && (spent || near && factor == 1.0) {
                    let converged = near && factor == 1.0;
                    return Ok(kernel.finish(iterations, error, converged));
                }
                if spent {
                    // The plan is still that of the regularisation that was asked for.
                    kernel.regularize(self.regularization, self.penalty)?;
                    return Ok(kernel.finish(iterations, f64::INFINITY, false));
                }
                match (near, self.penalty == f64::INFINITY) {
                    (true, _) if !last => break,
                    // A plain step makes the columns exact.
                    (true, _) => relaxation.reset(),
                    (false, true) => relaxation.observe(error),
                    (false, false) => {}
                }
            }
        }
        // The last stage returns.
        Err(Error::stopped(
            format!("iteration {iterations}"),
            "no stage is left",
        ))
    }

    /// The regularisations to go through.
    fn stages(&self, cost: &Cost) -> Vec<f64> {
        let mut stages = vec![self.regularization];
        let spread = cost.spread();
        if spread > STAGES_FROM * self.regularization {
            let mut stage = self.regularization / STAGE;
            while stage < 0.1 * spread {
                stages.push(stage);
                stage /= STAGE;
            }
        }
        stages.reverse();
        stages
    }
}
