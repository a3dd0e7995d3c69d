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
mod tests {
    use super::*;
    use crate::coupling::{ExactOt, contract};
    use candle_core::{DType, Device};

    #[test]
    fn keeps_the_contract() {
        for regularization in [0.3, 100.0] {
            let coupling = EntropicOt::new(regularization).unwrap();
            contract::check(&coupling);
            contract::check_permutation(&coupling.permuted());
            contract::check_one_size(&coupling.permuted());
        }
    }

    fn batches(n: usize, m: usize, rng: &mut Generator) -> (Tensor, Tensor) {
        let x0 = rng.normal((n, 1), DType::F64, &Device::Cpu).unwrap();
        let x1 = rng.normal((m, 1), DType::F64, &Device::Cpu).unwrap();
        (x0, (x1 * 2.0).unwrap())
    }

    /// The mean squared distance of pairs.
    fn cost(pairs: &Pairs, x0: &Tensor, x1: &Tensor) -> f64 {
        let way = (pairs.source(x0).unwrap() - pairs.target(x1).unwrap()).unwrap();
        way.sqr().unwrap().mean_all().unwrap().to_scalar().unwrap()
    }

    #[test]
    fn draws_have_the_law_of_the_plan() {
        let mut rng = Generator::from_seed(0);
        let (x0, x1) = batches(3, 4, &mut rng);
        let coupling = EntropicOt::new(1.0).unwrap();
        let plan = coupling.plan(&x0, &x1).unwrap().rounded();
        for (coupling, count) in [(coupling, 4.0), (coupling.with_replacement(), 3.0)] {
            let rounds = 20_000;
            let pairs = count * f64::from(rounds);
            let mut shares = [0.0; 12];
            for _ in 0..rounds {
                let pairs_of_round = coupling.pair(&x0, &x1, &mut rng).unwrap();
                let indices = |x: &Tensor| x.to_vec1::<u32>().unwrap();
                let sources = indices(pairs_of_round.source_indices());
                for (i, j) in sources.iter().zip(indices(pairs_of_round.target_indices())) {
                    shares[(i * 4 + j) as usize] += 1.0 / pairs;
                }
            }
            for (share, p) in shares.iter().zip(plan.values()) {
                assert!((share - p).abs() < 5.0 * (p / pairs).sqrt(), "{share} {p}");
            }
        }
    }

    #[test]
    fn one_plan_gives_any_number_of_draws() {
        let mut rng = Generator::from_seed(4);
        let (x0, x1) = batches(3, 4, &mut rng);
        let coupling = EntropicOt::new(1.0).unwrap();
        let plan = coupling.plan(&x0, &x1).unwrap().rounded();
        let count = 60_000;
        let pairs = coupling.draws(&x0, &x1, count, &mut rng).unwrap();
        let mut shares = [0.0; 12];
        let sources = pairs.source_indices().to_vec1::<u32>().unwrap();
        let targets = pairs.target_indices().to_vec1::<u32>().unwrap();
        for (i, j) in sources.iter().zip(targets) {
            shares[(i * 4 + j) as usize] += 1.0 / count as f64;
        }
        for (share, p) in shares.iter().zip(plan.values()) {
            let error = (p / count as f64).sqrt();
            assert!((share - p).abs() < 5.0 * error, "{share} {p}");
        }
        assert!(coupling.draws(&x0, &x1, 0, &mut rng).is_err());
    }

    /// A plan that is a little off must not bring in what it has no mass for.
    #[test]
    fn draws_are_of_pairs_that_the_plan_has() {
        let cost = Cost::new(
            3,
            3,
            vec![0.0, 500.0, 500.0, 500.0, 0.0, 500.0, 500.0, 500.0, 0.0],
        );
        let plan = Sinkhorn::new(0.1).unwrap().solve(&cost.unwrap()).unwrap();
        let mut rng = Generator::from_seed(3);
        for _ in 0..200 {
            for (sources, targets) in [
                draw::by_target(&plan, &mut rng).unwrap(),
                draw::independent(&plan, 10, &mut rng).unwrap(),
                draw::permutation(&plan, &mut rng).unwrap(),
            ] {
                assert_eq!(sources, targets);
            }
        }
    }

    /// Of the Schrödinger bridges that are customary, each batch has its pairs.
    #[test]
    fn small_regularisations_have_pairs() {
        let mut rng = Generator::from_seed(7);
        // A goal that is not reached does not matter, as long as the plan is near.
        let ambitious = EntropicOt::from(Sinkhorn::new(0.005).unwrap());
        let (x0, x1) = batches(64, 64, &mut rng);
        let plan = ambitious.plan(&x0, &x1).unwrap();
        assert!(!plan.converged() && plan.error() > 1e-9, "{}", plan.error());
        assert!(ambitious.pair(&x0, &x1, &mut rng).is_ok());
        for sigma in [0.02, 0.05, 0.1, 0.5] {
            let coupling = EntropicOt::new(2.0 * sigma * sigma).unwrap();
            for n in [64, 64, 64, 64, 64, 256] {
                let x0 = rng.normal((n, 2), DType::F32, &Device::Cpu).unwrap();
                let x1 = rng.normal((n, 2), DType::F32, &Device::Cpu).unwrap();
                let x1 = (x1 + 1.0).unwrap();
                let pairs = coupling.pair(&x0, &x1, &mut rng);
                assert!(
                    pairs.is_ok(),
                    "σ = {sigma}, n = {n}: {}",
                    pairs.unwrap_err()
                );
                // Marginals are those of the batch, whatever the iterations left.
                let plan = coupling.plan(&x0, &x1).unwrap().rounded();
                for i in 0..n {
                    let sum: f64 = plan.row(i).iter().sum();
                    assert!((sum * n as f64 - 1.0).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn pairs_lie_between_optimal_and_independent_ones() {
        let mut rng = Generator::from_seed(1);
        let mut costs = [0.0; 4];
        for _ in 0..20 {
            let (x0, x1) = batches(128, 128, &mut rng);
            let coupling = EntropicOt::new(0.2).unwrap();
            let mut add = |k: usize, pairs: Pairs| costs[k] += cost(&pairs, &x0, &x1) / 20.0;
            add(0, ExactOt.pair(&x0, &x1, &mut rng).unwrap());
            add(
                1,
                coupling
                    .with_replacement()
                    .pair(&x0, &x1, &mut rng)
                    .unwrap(),
            );
            add(2, coupling.permuted().pair(&x0, &x1, &mut rng).unwrap());
            add(
                3,
                super::super::Independent.pair(&x0, &x1, &mut rng).unwrap(),
            );
        }
        assert!(
            costs[0] < costs[1] && costs[1] < 0.5 * costs[3],
            "{costs:?}"
        );
        assert!(
            costs[0] < costs[2] && costs[2] < 0.5 * costs[3],
            "{costs:?}"
        );
        // Leaving no sample out costs little.
        assert!((costs[2] / costs[1] - 1.0).abs() < 0.25, "{costs:?}");
    }

    /// From N(0, 1) to N(0, 1) the targets of the bridge have the mean `c x0` and the variance `σ² c` given their
    /// sources, with `c = ½ (√(4 + σ⁴) − σ²)`. So have draws from the plans of batches, up to what the size of a batch
    /// leaves. Where each sample is to occur once, the last sources take what there is, and the variance is larger.
    #[test]
    fn draws_have_the_conditional_law_of_the_bridge() {
        let mut rng = Generator::from_seed(9);
        let sigma = 0.5f64;
        let coupling = EntropicOt::new(2.0 * sigma * sigma).unwrap();
        let kinds = [coupling, coupling.with_replacement(), coupling.permuted()];
        let (rounds, n) = (30, 256);
        // The sums of x0², x0 x1 and x1²: for the three kinds of pairs, and for the plans themselves.
        let mut sums = [[0.0; 3]; 4];
        let values = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        for _ in 0..rounds {
            let x0 = rng.normal((n, 1), DType::F64, &Device::Cpu).unwrap();
            let x1 = rng.normal((n, 1), DType::F64, &Device::Cpu).unwrap();
            let mut add = |k: usize, mass: f64, a: f64, b: f64| {
                let products = [a * a, a * b, b * b];
                let sums = sums[k].iter_mut().zip(products);
                sums.for_each(|(sum, product)| *sum += mass * product);
            };
            for (k, kind) in kinds.iter().enumerate() {
                let pairs = kind.pair(&x0, &x1, &mut rng).unwrap();
                let ends = (pairs.source(&x0).unwrap(), pairs.target(&x1).unwrap());
                let ends = values(&ends.0).into_iter().zip(values(&ends.1));
                ends.for_each(|(a, b)| add(k, 1.0, a, b));
            }
            let plan = coupling.plan(&x0, &x1).unwrap().rounded();
            let targets = values(&x1);
            for (i, a) in values(&x0).into_iter().enumerate() {
                let masses = targets.iter().zip(plan.row(i));
                masses.for_each(|(b, mass)| add(3, mass * n as f64, a, *b));
            }
        }
        // The part of the targets' variance that their sources leave open.
        let open = sums.map(|[aa, ab, bb]| 1.0 - ab * ab / (aa * bb));
        let (plan, exact) = (
            open[3],
            sigma * sigma * 0.5 * ((4.0 + sigma.powi(4)).sqrt() - sigma * sigma),
        );
        let error = plan * (2.0 / (rounds * n) as f64).sqrt();
        for drawn in &open[..2] {
            assert!((drawn - plan).abs() < 4.0 * error, "{open:?}");
            assert!((drawn / exact - 1.0).abs() < 0.13, "{open:?} {exact}");
        }
        assert!(open[2] - plan > 4.5 * error, "{open:?}");
        assert!(open[2] / exact - 1.0 > 0.15, "{open:?} {exact}");
    }

    #[test]
    fn trouble_is_reported() {
        let mut rng = Generator::from_seed(2);
        let (x0, x1) = batches(30, 20, &mut rng);
        let coupling = EntropicOt::new(1.0).unwrap();
        // Batches of different sizes.
        let mut count = |coupling: EntropicOt| coupling.pair(&x0, &x1, &mut rng).unwrap().len();
        assert_eq!(
            (count(coupling), count(coupling.with_replacement())),
            (20, 30)
        );
        // Unbalanced plans leave out what is far, or everything.
        let mild = Sinkhorn::new(0.5).unwrap().unbalanced(10.0).unwrap();
        let far = Tensor::cat(&[&x0, &(&x1 + 1e3).unwrap()], 0).unwrap();
        let pairs = EntropicOt::from(mild).pair(&far, &x1, &mut rng).unwrap();
        let sources = pairs.source_indices().to_vec1::<u32>().unwrap();
        assert!(sources.iter().all(|i| *i < 30), "{sources:?}");
        let strict = Sinkhorn::new(0.5).unwrap().unbalanced(0.1).unwrap();
        let away = (&x1 + 1e3).unwrap();
        let error = EntropicOt::from(strict)
            .pair(&x0, &away, &mut rng)
            .unwrap_err();
        assert!(matches!(error, Error::Stopped { .. }), "{error}");
        let hasty = Sinkhorn::new(1e-3).unwrap().max_iterations(3).unwrap();
        let error = EntropicOt::from(hasty)
            .pair(&x0, &x0, &mut rng)
            .unwrap_err();
        assert!(matches!(error, Error::Stopped { .. }), "{error}");
    }
}
