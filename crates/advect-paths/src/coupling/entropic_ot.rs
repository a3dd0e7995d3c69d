//! Minibatch entropic optimal transport (Cuturi 2013; SB-CFM and [SF]²M, Tong et al. 2024).

use advect_core::{Error, Generator, Result, check};
use advect_transport::{Cost, Plan, Sinkhorn};
use candle_core::Tensor;
use rand_distr::StandardUniform;

use super::{Coupling, Pairs};

/// Draws pairs from the plan of entropic optimal transport of squared distances.
///
/// By default each sample occurs once: sources choose, in random order and by the plan, among the targets that are left.
/// [`EntropicOt::with_replacement`] draws pairs independently, which is the plan's own law and goes between batches of
/// different sizes.
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
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EntropicOt {
    solver: Sinkhorn,
    replacement: bool,
}

impl From<Sinkhorn> for EntropicOt {
    /// With another tolerance or limit of iterations. Where it is unbalanced, pairs are drawn with replacement: samples
    /// that the plan leaves out are not drawn.
    fn from(solver: Sinkhorn) -> Self {
        EntropicOt {
            solver,
            replacement: solver.is_unbalanced(),
        }
    }
}

impl EntropicOt {
    /// With a regularisation ε in units of squared distance; the Schrödinger bridge of diffusion σ takes `2σ²`. Marginals
    /// are met to 1e-6 of the mass, in at most 10,000 iterations.
    ///
    /// # Errors
    /// [`Error::Range`] unless it is finite and above 0.
    pub fn new(regularization: f64) -> Result<Self> {
        Ok(Sinkhorn::new(regularization)?.tolerance(1e-6)?.into())
    }

    /// The same coupling, of pairs that are drawn independently: as many as there are sources.
    pub fn with_replacement(self) -> Self {
        EntropicOt {
            replacement: true,
            ..self
        }
    }

    /// The plan between two batches, which tells whether and how fast it converged.
    ///
    /// # Errors
    /// As [`Cost::squared_euclidean`] and [`Sinkhorn::solve`].
    pub fn plan(&self, x0: &Tensor, x1: &Tensor) -> Result<Plan> {
        check::same_kind("x1", x1, "x0", x0)?;
        check::finite("x0", x0)?;
        check::finite("x1", x1)?;
        self.solver.solve(&Cost::squared_euclidean(x0, x1)?)
    }
}

impl Coupling for EntropicOt {
    /// # Errors
    /// [`Error::Stopped`] if the plan does not converge, or carries nothing, being unbalanced; [`Error::Shape`] for batches of different sizes without
    /// replacement, and as [`EntropicOt::plan`].
    fn pair(&self, x0: &Tensor, x1: &Tensor, rng: &mut Generator) -> Result<Pairs> {
        check::batch("x0", x0)?;
        check::batch("x1", x1)?;
        if !self.replacement {
            check::alike("x1", x1, "x0", x0)?;
        }
        let plan = self.plan(x0, x1)?;
        if !plan.converged() {
            let reason = format!(
                "the plan's marginals are off by {:.1e}: a larger regularization, a larger tolerance or more iterations \
                 would help",
                plan.error()
            );
            return Err(Error::stopped(
                format!("iteration {}", plan.iterations()),
                reason,
            ));
        }
        if plan.mass() < 1e-100 {
            let reason = "the plan carries nothing: a larger penalty or regularization would help";
            return Err(Error::stopped(
                format!("iteration {}", plan.iterations()),
                reason,
            ));
        }
        let (source, target) = match self.replacement {
            true => draw(&plan, rng)?,
            false => assign(&plan, rng)?,
        };
        let tensor = |v: Vec<u32>| {
            let count = v.len();
            Tensor::from_vec(v, count, x0.device())
        };
        Pairs::new(tensor(source)?, tensor(target)?)
    }
}

/// Independent draws of entries of the plan, by its cumulative sums.
fn draw(plan: &Plan, rng: &mut Generator) -> Result<(Vec<u32>, Vec<u32>)> {
    let mut sum = 0.0;
    let sums: Vec<f64> = plan
        .values()
        .iter()
        .map(|p| {
            sum += p;
            sum
        })
        .collect();
    let uniform = rng.values(&StandardUniform, plan.rows())?;
    let entry = |u: f64| sums.partition_point(|s| *s <= u * sum).min(sums.len() - 1);
    let split = |e: usize| ((e / plan.columns()) as u32, (e % plan.columns()) as u32);
    Ok(uniform.into_iter().map(|u| split(entry(u))).unzip())
}

/// One column for each row, in random order, by the plan among the columns that are left.
fn assign(plan: &Plan, rng: &mut Generator) -> Result<(Vec<u32>, Vec<u32>)> {
    let n = plan.rows();
    let mut order: Vec<(f64, usize)> = (rng.values(&StandardUniform, n)?.into_iter())
        .zip(0..n)
        .collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let uniform = rng.values(&StandardUniform, n)?;
    let mut left: Vec<usize> = (0..n).collect();
    let mut target = vec![0; n];
    for ((_, i), u) in order.into_iter().zip(uniform) {
        let row = plan.row(i);
        let mut rest = u * left.iter().map(|&j| row[j]).sum::<f64>();
        // Where nothing is left by the plan, the last will do.
        let mut choice = left.len() - 1;
        for (k, &j) in left.iter().enumerate() {
            rest -= row[j];
            if rest < 0.0 {
                choice = k;
                break;
            }
        }
        target[i] = left.swap_remove(choice) as u32;
    }
    Ok(((0..n as u32).collect(), target))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coupling::{ExactOt, contract};
    use candle_core::{DType, Device};

    #[test]
    fn keeps_the_contract() {
        contract::check(&EntropicOt::new(0.3).unwrap());
        contract::check(&EntropicOt::new(100.0).unwrap());
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
        let coupling = EntropicOt::new(1.0).unwrap().with_replacement();
        let plan = coupling.plan(&x0, &x1).unwrap();
        let mut counts = [0.0; 12];
        let rounds = 20_000;
        for _ in 0..rounds {
            let (source, target) = draw(&plan, &mut rng).unwrap();
            for (i, j) in source.into_iter().zip(target) {
                counts[i as usize * 4 + j as usize] += 1.0 / (3.0 * f64::from(rounds));
            }
        }
        for (count, p) in counts.iter().zip(plan.values()) {
            let error = (p / (3.0 * f64::from(rounds))).sqrt();
            assert!((count - p).abs() < 5.0 * error, "{count} {p}");
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
            add(2, coupling.pair(&x0, &x1, &mut rng).unwrap());
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

    #[test]
    fn trouble_is_reported() {
        let mut rng = Generator::from_seed(2);
        let (x0, x1) = batches(30, 20, &mut rng);
        let coupling = EntropicOt::new(1.0).unwrap();
        let error = coupling.pair(&x0, &x1, &mut rng).unwrap_err();
        assert!(matches!(error, Error::Shape { argument, .. } if argument == "x1"));
        let pairs = coupling
            .with_replacement()
            .pair(&x0, &x1, &mut rng)
            .unwrap();
        assert_eq!(pairs.len(), 30);
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
