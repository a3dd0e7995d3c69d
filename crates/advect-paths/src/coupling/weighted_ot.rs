//! Optimal transport between batches whose samples have weights.

use advect_core::{Error, Generator, Result, check};
use advect_transport::{Cost, Entry, ExactPlan, Sinkhorn};
use candle_core::Tensor;

use super::exact_ot::squared_distances;
use super::{Coupling, Pairs, WeightedPairs};

/// A coupling of batches whose samples have weights, such as importance weights or the masses of clusters: pairs are drawn from the
/// optimal plan with squared distances between the weighted samples, as many as there are targets.
///
/// Each place of the pairs is drawn from its own equal part of the plan's mass (stratified resampling): a sample of weight w occurs
/// `w · pairs` times on average, a mean over the pairs has the expectation of the weighted mean over the plan, and its variance is at most
/// that of independent draws. `Coupled` of `advect-objectives` trains on weighted batches by this coupling in one call. A coupling knows the
/// weights of one batch: make it anew for each.
///
/// ```
/// use advect_core::Generator;
/// use advect_paths::coupling::{Coupling, WeightedOt};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x0 = Tensor::new(&[[0f32], [10.0]], &Device::Cpu)?;
/// let x1 = Tensor::new(&[[0.5f32], [10.5], [11.0], [12.0]], &Device::Cpu)?;
/// // The first target counts as much as all others.
/// let coupling = WeightedOt::new(&[0.5, 0.5], &[0.5, 0.25, 0.25, 0.0]);
/// let pairs = coupling.pair(&x0, &x1, &mut Generator::from_seed(0))?;
/// assert_eq!(pairs.source_indices().to_vec1::<u32>()?, [0, 0, 1, 1]);
/// assert_eq!(pairs.target_indices().to_vec1::<u32>()?, [0, 0, 1, 2]);
/// # Ok(())
/// # }
/// ```
///
/// Where masses change, give a plan that is [unbalanced](Sinkhorn::unbalanced): pairs are drawn in proportion to the carried
/// mass. Pairs say nothing of the rates of growth: train these on the plan's ratios ([`WeightedPairs`]), or both by `GrowthMatching` of
/// `advect-trajectories`.
#[doc(alias = "importance weights")]
#[doc(alias = "unbalanced")]
#[derive(Debug, Clone, PartialEq)]
pub struct WeightedOt {
    source: Vec<f64>,
    target: Vec<f64>,
    solver: Option<Sinkhorn>,
}

impl WeightedOt {
    /// Creates the coupling by exact plans from the weights of the source and target samples. Weights are checked when pairs are made:
    /// one for each sample, at least 0, of sum 1 on either side.
    pub fn new(source: &[f64], target: &[f64]) -> Self {
        WeightedOt {
            source: source.to_vec(),
            target: target.to_vec(),
            solver: None,
        }
    }

    /// Draws from entropic plans of a solver, balanced or unbalanced.
    pub fn entropic(self, solver: Sinkhorn) -> Self {
        WeightedOt {
            solver: Some(solver),
            ..self
        }
    }

    /// The entries of the plan.
    fn entries(&self, cost: &Cost) -> Result<Vec<Entry>> {
        let (rows, columns) = (&self.source, &self.target);
        let Some(solver) = self.solver else {
            let plan = ExactPlan::weighted(cost, rows, columns)?;
            return Ok(plan.entries().to_vec());
        };
        let plan = solver.solve_weighted(cost, rows, columns)?;
        if !plan.converged() {
            let at = format!("iteration {}", plan.iterations());
            let reason = format!(
                "the plan's marginals are off by {:.1e}: a larger regularization, a larger tolerance or more iterations would help",
                plan.error()
            );
            return Err(Error::stopped(at, reason));
        }
        Ok(match solver.is_unbalanced() {
            true => plan.entries().collect(),
            false => plan.rounded().entries().collect(),
        })
    }
}

impl Coupling for WeightedOt {
    /// # Errors
    /// Errors that name `rows` or `columns` for the weights of sources or targets that don't fit; [`Error::Stopped`] if an entropic plan does not
    /// converge; typed errors for batches that do not fit.
    fn pair(&self, x0: &Tensor, x1: &Tensor, rng: &mut Generator) -> Result<Pairs> {
        let entries = self.entries(&squared_distances(x0, x1)?)?;
        let pairs = WeightedPairs::new(entries, x0.device())?;
        pairs.draw_evenly(check::batch("x1", x1)?, rng)
    }

    /// Returns an error: a plan for all conditions at once would give each of them a part of the source. Pair each class by itself, with its
    /// weights.
    ///
    /// # Errors
    /// [`Error::Range`], always.
    fn pair_given(&self, _: &Tensor, _: &Tensor, _: &Tensor, _: &mut Generator) -> Result<Pairs> {
        let given = "conditions for one plan between weighted batches";
        let accepted = "none: pair each class by itself, by pair()";
        Err(Error::range("condition", given, accepted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};

    fn batches() -> (Tensor, Tensor) {
        let mut rng = Generator::from_seed(3);
        let mut normal = |n: usize| rng.normal((n, 2), DType::F64, &Device::Cpu).unwrap();
        (normal(5), normal(8))
    }

    const SOURCE: [f64; 5] = [0.4, 0.1, 0.2, 0.0, 0.3];
    const TARGET: [f64; 8] = [0.05, 0.2, 0.05, 0.1, 0.25, 0.0, 0.15, 0.2];

    /// The share of each pair among many drawn ones.
    fn shares(coupling: &WeightedOt) -> Vec<f64> {
        let ((x0, x1), mut rng) = (batches(), Generator::from_seed(0));
        let mut shares = vec![0.0; 40];
        for _ in 0..2000 {
            let pairs = coupling.pair(&x0, &x1, &mut rng).unwrap();
            let indices = |x: &Tensor| x.to_vec1::<u32>().unwrap();
            let (sources, targets) = (
                indices(pairs.source_indices()),
                indices(pairs.target_indices()),
            );
            assert_eq!(sources.len(), 8);
            for (i, j) in sources.iter().zip(&targets) {
                shares[(8 * i + j) as usize] += 1.0 / 16_000.0;
            }
        }
        shares
    }

    #[test]
    fn pairs_have_the_law_of_the_plan() {
        let (x0, x1) = batches();
        let cost = Cost::squared_euclidean(&x0, &x1).unwrap();
        let exact = ExactPlan::weighted(&cost, &SOURCE, &TARGET).unwrap();
        let soft = Sinkhorn::new(1.0).unwrap();
        let loose = Sinkhorn::new(0.5).unwrap().unbalanced(1.0).unwrap();
        let coupling = WeightedOt::new(&SOURCE, &TARGET);
        let of = |solver: Sinkhorn| solver.solve_weighted(&cost, &SOURCE, &TARGET).unwrap();
        let plans: [(WeightedOt, Vec<Entry>); 3] = [
            (coupling.clone(), exact.entries().to_vec()),
            (
                coupling.clone().entropic(soft),
                of(soft).entries().collect(),
            ),
            (coupling.entropic(loose), of(loose).entries().collect()),
        ];
        for (coupling, entries) in plans {
            let total: f64 = entries.iter().map(|entry| entry.mass).sum();
            let mut expected = vec![0.0; 40];
            for entry in entries {
                expected[8 * entry.row + entry.column] += entry.mass / total;
            }
            for (share, expected) in shares(&coupling).iter().zip(&expected) {
                assert!((share - expected).abs() < 0.006, "{share} {expected}");
            }
        }
    }

    #[test]
    fn weights_that_do_not_fit_are_told() {
        let ((x0, x1), mut rng) = (batches(), Generator::from_seed(0));
        let mut message =
            |coupling: WeightedOt| coupling.pair(&x0, &x1, &mut rng).unwrap_err().to_string();
        assert!(message(WeightedOt::new(&SOURCE[..4], &TARGET)).starts_with("rows: "));
        assert!(message(WeightedOt::new(&SOURCE, &[0.25; 8])).starts_with("columns: "));
        let labels = Tensor::zeros(8, DType::U32, &Device::Cpu).unwrap();
        let error = WeightedOt::new(&SOURCE, &TARGET).pair_given(&x0, &x1, &labels, &mut rng);
        assert!(
            matches!(error.unwrap_err(), Error::Range { argument, .. } if argument == "condition")
        );
    }
}
