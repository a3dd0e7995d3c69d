//! Minibatch entropic optimal transport (Cuturi 2013; SB-CFM and [SF]²M, Tong et al. 2024).

use advect_core::{Error, Generator, Result, check};
use advect_transport::{Cost, Plan, Sinkhorn};
use candle_core::{Device, Tensor};

use super::conditional_ot::Problem;
use super::exact_ot::squared_distances;
use super::{ConditionalOt, Coupling, Pairs, draw};

/// A coupling that draws pairs from the plan π of entropic optimal transport with squared distances, which is the
/// static Schrödinger bridge.
///
/// | pairs | law of a pair | occurs once | batches |
/// | --- | --- | --- | --- |
/// | [`EntropicOt::new`] | π | each target | of any two sizes |
/// | [`EntropicOt::with_replacement`] | π, independent of the others | | of any two sizes |
/// | [`EntropicOt::permuted`] | near π | each sample | of one size |
///
/// By default a source is drawn for each target, from the plan given that target: a mean over the pairs has the expectation that
/// it has over independent ones, and less variance. Targets and their labels keep their places. With permuted pairs, sources
/// choose in random order among the targets that are left: the last ones take what there is, so that a pair's law is not quite
/// the plan's.
///
/// Sinkhorn's iterations end when the plan's marginals are near their goals; before pairs are drawn, it is
/// rounded to a plan whose marginals are exact ([`Plan::rounded`]).
///
/// ```
/// use advect_core::Generator;
/// use advect_paths::coupling::{Coupling, EntropicOt};
/// use advect_paths::path::SchrodingerBridge;
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let mut rng = Generator::from_seed(0);
/// let x0 = rng.normal((64, 2), DType::F32, &Device::Cpu)?;
/// let x1 = rng.normal((64, 2), DType::F32, &Device::Cpu)?;
/// let bridge = SchrodingerBridge::new(0.5)?;
/// let pairs = EntropicOt::new(bridge.entropy())?.pair(&x0, &x1, &mut rng)?;
/// assert_eq!(pairs.len(), 64);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "SB-CFM")]
#[doc(alias = "Sinkhorn")]
#[doc(alias = "Schrödinger bridge")]
#[doc(alias = "entropic optimal transport")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EntropicOt {
    solver: Sinkhorn,
    draw: Draw,
}

/// How pairs come from the plan.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Draw {
    ByTarget,
    Independent,
    Permutation,
}

impl From<Sinkhorn> for EntropicOt {
    /// Creates a coupling from a solver with another tolerance or limit of iterations. If the iterations are spent, a
    /// plan within 1e-3 of its marginals is accepted. If the plan is unbalanced, pairs are drawn with replacement,
    /// and samples that the plan leaves out are not drawn.
    fn from(solver: Sinkhorn) -> Self {
        let draw = match solver.is_unbalanced() {
            true => Draw::Independent,
            false => Draw::ByTarget,
        };
        EntropicOt { solver, draw }
    }
}

impl EntropicOt {
    /// Creates a coupling with a regularisation ε in units of squared distance: `2σ²` for the Schrödinger bridge of
    /// diffusion σ. The iterations, at most 10,000, end when the marginals are off by 1e-3 of the mass. Rounded, such
    /// a plan differs from the converged one in about 1e-3 of the mass, too: less than a batch can tell.
    ///
    /// # Errors
    /// [`Error::Range`] unless it is finite and above 0.
    pub fn new(regularization: f64) -> Result<Self> {
        Ok(Sinkhorn::new(regularization)?.tolerance(1e-3)?.into())
    }

    /// Draws pairs independently: one pair for each source, with replacement.
    pub fn with_replacement(self) -> Self {
        EntropicOt {
            draw: Draw::Independent,
            ..self
        }
    }

    /// Draws pairs in which each sample occurs once. The sources choose in random order, by the plan, among the
    /// targets that are left.
    pub fn permuted(self) -> Self {
        EntropicOt {
            draw: Draw::Permutation,
            ..self
        }
    }

    /// Returns the plan between two batches. The plan says whether and how fast it converged.
    ///
    /// # Errors
    /// As [`Cost::squared_euclidean`] and [`Sinkhorn::solve`].
    pub fn plan(&self, x0: &Tensor, x1: &Tensor) -> Result<Plan> {
        self.solver.solve(&squared_distances(x0, x1)?)
    }

    /// Draws `count` independent pairs from the plan between two batches. A plan takes longer to find than a step of
    /// training: one of large batches serves many steps, for which [`Pairs::batches`] cuts the pairs.
    ///
    /// ```
    /// use advect_core::Generator;
    /// use advect_paths::coupling::EntropicOt;
    /// use candle_core::{DType, Device};
    /// # fn main() -> advect_core::Result<()> {
    /// let mut rng = Generator::from_seed(0);
    /// let x0 = rng.normal((100, 2), DType::F32, &Device::Cpu)?;
    /// let x1 = rng.normal((150, 2), DType::F32, &Device::Cpu)?;
    /// let pairs = EntropicOt::new(2.0)?.draws(&x0, &x1, 1000, &mut rng)?;
    /// assert_eq!(pairs.batches(250)?.len(), 4);
    /// assert_eq!(pairs.source(&x0)?.dims(), [1000, 2]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Coupling::pair`]; [`Error::Range`] for a count of 0.
    pub fn draws(
        &self,
        x0: &Tensor,
        x1: &Tensor,
        count: usize,
        rng: &mut Generator,
    ) -> Result<Pairs> {
        check::at_least_one("count", count)?;
        let plan = self.exact_marginals(&squared_distances(x0, x1)?)?;
        let (source, target) = draw::independent(&plan, count, rng)?;
        Pairs::from_indices(source, target, x0.device())
    }
}

/// The marginals' error from which on a plan that has not converged has no pairs.
const NEAR: f64 = 1e-3;

impl EntropicOt {
    /// The plan of these costs, near enough to be drawn from, with the marginals of its weights unless unbalanced.
    fn exact_marginals(&self, cost: &Cost) -> Result<Plan> {
        let plan = self.solver.solve(cost)?;
        let stopped = |reason: String| {
            let at = format!("iteration {}", plan.iterations());
            Err(Error::stopped(at, reason))
        };
        if !plan.converged() && plan.error() > NEAR {
            return stopped(format!(
                "the plan's marginals are off by {:.1e}: a larger regularization, a larger tolerance or more iterations \
                 would help",
                plan.error()
            ));
        }
        if plan.mass() < 1e-100 {
            let reason = "the plan carries nothing: a larger penalty or regularization would help";
            return stopped(reason.to_string());
        }
        Ok(match self.solver.is_unbalanced() {
            true => plan,
            false => plan.rounded(),
        })
    }

    /// Pairs from the plan of these costs.
    fn draw(&self, cost: &Cost, device: &Device, rng: &mut Generator) -> Result<Pairs> {
        let plan = self.exact_marginals(cost)?;
        let (source, target) = match self.draw {
            Draw::ByTarget => draw::by_target(&plan, rng)?,
            Draw::Independent => draw::independent(&plan, plan.rows(), rng)?,
            Draw::Permutation => draw::permutation(&plan, rng)?,
        };
        Pairs::from_indices(source, target, device)
    }
}

impl Coupling for EntropicOt {
    /// # Errors
    /// [`Error::Stopped`] if the plan neither converges nor comes within 1e-3 of its marginals, or carries nothing, being
    /// unbalanced; [`Error::Shape`] for batches of different sizes if each sample is to occur once, and as [`EntropicOt::plan`].
    fn pair(&self, x0: &Tensor, x1: &Tensor, rng: &mut Generator) -> Result<Pairs> {
        if self.draw == Draw::Permutation {
            check::alike("x1", x1, "x0", x0)?;
        }
        self.draw(&squared_distances(x0, x1)?, x0.device(), rng)
    }

    /// Draws pairs within each class of equal labels. For contexts that are floats, it draws from the plan of the
    /// cost of [`ConditionalOt::default`].
    ///
    /// # Errors
    /// As [`Coupling::pair`] and [`ConditionalOt::pair_between`].
    fn pair_given(
        &self,
        x0: &Tensor,
        x1: &Tensor,
        condition: &Tensor,
        rng: &mut Generator,
    ) -> Result<Pairs> {
        let condition = ("condition", condition);
        match ConditionalOt::default().problem(x0, condition, x1, condition)? {
            Problem::Within(classes) => classes.pair_each(x0, x1, |x0, x1| self.pair(x0, x1, rng)),
            Problem::Priced(cost) => self.draw(&cost, x0.device(), rng),
        }
    }
}

#[cfg(test)]
mod tests;
