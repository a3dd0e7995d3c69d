//! Pairs with weights: the entries of a transport plan.

use advect_core::{Error, Generator, Result, check};
use advect_transport::Entry;
use candle_core::{DType, Device, Tensor};

use super::Pairs;
use crate::cumulative::Cumulative;

/// The pairs of a transport plan with their masses as weights: every pair that the plan connects, once.
///
/// Nothing is drawn, so that a loss weighted by them is the mean over the plan itself. An exact plan between n and m samples, of any
/// weights, has fewer than n + m pairs. [`WeightedPairs::draw`] draws pairs of equal weight from the plan, independently.
///
/// ```
/// use advect_paths::coupling::WeightedPairs;
/// use advect_transport::{Cost, ExactPlan};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x0 = Tensor::new(&[[0f32], [1.0]], &Device::Cpu)?;
/// let x1 = Tensor::new(&[[0f32], [1.0], [2.0]], &Device::Cpu)?;
/// let cost = Cost::squared_euclidean(&x0, &x1)?;
/// let plan = ExactPlan::weighted(&cost, &[0.25, 0.75], &[0.5, 0.25, 0.25])?;
/// let weighted = WeightedPairs::new(plan.entries().iter().copied(), &Device::Cpu)?;
/// let way = (weighted.pairs().target(&x1)? - weighted.pairs().source(&x0)?)?.flatten_all()?;
/// let mean = (way.sqr()? * weighted.weights(DType::F32)?)?.sum_all()?; // as with a loss for each pair
/// assert_eq!(mean.to_scalar::<f32>()?, 0.5);
/// # Ok(())
/// # }
/// ```
///
/// From an unbalanced plan, more or less mass than a sample's weight is carried. The ratios are companions of the samples, as labels
/// are: they follow the pairs, as values that a network of growth is trained on.
///
/// ```
/// use advect_core::Generator;
/// use advect_paths::coupling::WeightedPairs;
/// use advect_transport::{Cost, Sinkhorn};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// # let device = Device::Cpu;
/// let x0 = Tensor::new(&[[0f64], [5.0]], &device)?;
/// let x1 = Tensor::new(&[[0.1f64], [0.2], [5.1]], &device)?;
/// let cost = Cost::squared_euclidean(&x0, &x1)?;
/// let plan = Sinkhorn::new(0.05)?.unbalanced(10.0)?.solve(&cost)?;
/// let growth = Tensor::new(plan.row_ratios(), &device)?; // of each source
/// let weighted = WeightedPairs::new(plan.entries(), &device)?;
/// let pairs = weighted.draw(64, &mut Generator::from_seed(0))?;
/// let growth = pairs.source(&growth)?; // of each pair's source
/// // A half should become two thirds, a half one third. Both ends give way alike: the geometric means are carried.
/// let (most, least) = (growth.max_all()?.to_scalar::<f64>()?, growth.min_all()?.to_scalar::<f64>()?);
/// assert!((most - (4f64 / 3.0).sqrt()).abs() < 0.02 && (least - (2f64 / 3.0).sqrt()).abs() < 0.02);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "unbalanced")]
#[doc(alias = "growth")]
#[derive(Debug, Clone)]
pub struct WeightedPairs {
    pairs: Pairs,
    masses: Vec<f64>,
    sums: Cumulative,
}

impl WeightedPairs {
    /// Creates pairs from the entries of a plan, on a device: sources are rows, and targets columns. Entries of mass 0 are left out.
    ///
    /// # Errors
    /// [`Error::Range`] for masses that are negative or not finite, or of sum 0, and for rows and columns from 2³² − 1 on.
    pub fn new(entries: impl IntoIterator<Item = Entry>, device: &Device) -> Result<Self> {
        let (mut source, mut target) = (Vec::new(), Vec::new());
        let mut masses = Vec::new();
        for entry in entries {
            let mass = entry.mass;
            if !(mass >= 0.0 && mass.is_finite()) {
                return Err(Error::range("entries", mass, "a mass of at least 0"));
            }
            if mass > 0.0 {
                source.push(index(entry.row)?);
                target.push(index(entry.column)?);
                masses.push(mass);
            }
        }
        let sums = Cumulative::new(&masses);
        let sum = sums.total();
        if !(sum > 0.0 && sum.is_finite()) {
            let given = format!("masses of sum {sum}");
            return Err(Error::range(
                "entries",
                given,
                "masses of a finite sum above 0",
            ));
        }
        Ok(WeightedPairs {
            pairs: Pairs::from_indices(source, target, device)?,
            masses,
            sums,
        })
    }

    /// Returns the pairs.
    pub fn pairs(&self) -> &Pairs {
        &self.pairs
    }

    /// Returns the weight of each pair, `(pairs,)`. Their sum is the plan's mass, which is 1 unless the plan is unbalanced.
    ///
    /// # Errors
    /// Errors of candle.
    pub fn weights(&self, dtype: DType) -> Result<Tensor> {
        let weights = Tensor::new(self.masses.as_slice(), self.pairs.source_indices().device())?;
        Ok(weights.to_dtype(dtype)?)
    }

    /// Draws `count` pairs independently of each other, with probabilities in proportion to their weights.
    ///
    /// # Errors
    /// [`Error::Range`] for 0 pairs, and for more of them than fit the memory.
    #[doc(alias = "sample_plan")]
    pub fn draw(&self, count: usize, rng: &mut Generator) -> Result<Pairs> {
        check::at_least_one("count", count)?;
        self.at(self.sums.draw(count, rng)?)
    }

    /// Draws one pair from each of `count` equal parts of the plan's mass: in proportion to the weights, too, with less variance.
    pub(super) fn draw_evenly(&self, count: usize, rng: &mut Generator) -> Result<Pairs> {
        self.at(self.sums.draw_evenly(count, rng)?)
    }

    fn at(&self, places: Vec<usize>) -> Result<Pairs> {
        let places: Vec<u32> = places.into_iter().map(|place| place as u32).collect();
        self.pairs.at(&places)
    }
}

/// A number that an index can hold.
fn index(place: usize) -> Result<u32> {
    match u32::try_from(place) {
        Ok(index) if index < u32::MAX => Ok(index),
        _ => Err(Error::range("entries", place, "an index below 2^32 − 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use advect_transport::{Cost, ExactPlan, Sinkhorn};

    fn cost() -> Cost {
        let costs = (0..12).map(|k| f64::from(k * 7 % 11));
        Cost::new(3, 4, costs.collect()).unwrap()
    }

    #[test]
    fn weights_are_those_of_the_plan() {
        let (a, b) = ([0.5, 0.3, 0.2], [0.1, 0.2, 0.3, 0.4]);
        let plan = ExactPlan::weighted(&cost(), &a, &b).unwrap();
        let weighted = WeightedPairs::new(plan.entries().iter().copied(), &Device::Cpu).unwrap();
        assert!(weighted.pairs().len() < 7);
        let indices = |x: &Tensor| x.to_vec1::<u32>().unwrap();
        let weights = weighted
            .weights(DType::F64)
            .unwrap()
            .to_vec1::<f64>()
            .unwrap();
        let (sources, targets) = (
            indices(weighted.pairs().source_indices()),
            indices(weighted.pairs().target_indices()),
        );
        let mut sums = ([0.0; 3], [0.0; 4]);
        for ((i, j), weight) in sources.into_iter().zip(targets).zip(weights) {
            sums.0[i as usize] += weight;
            sums.1[j as usize] += weight;
        }
        let near = |x: &[f64], y: &[f64]| x.iter().zip(y).all(|(x, y)| (x - y).abs() < 1e-15);
        assert!(near(&sums.0, &a) && near(&sums.1, &b), "{sums:?}");
    }

    #[test]
    fn draws_have_the_law_of_the_plan() {
        let solver = Sinkhorn::new(3.0).unwrap().unbalanced(5.0).unwrap();
        let plan = solver.solve(&cost()).unwrap();
        let weighted = WeightedPairs::new(plan.entries(), &Device::Cpu).unwrap();
        let sum = weighted.weights(DType::F64).unwrap().sum_all().unwrap();
        assert!((sum.to_scalar::<f64>().unwrap() - plan.mass()).abs() < 1e-15);
        let pairs = weighted.draw(20_000, &mut Generator::from_seed(0)).unwrap();
        let mut shares = [0.0; 12];
        for (i, j) in (pairs.source_indices().to_vec1::<u32>().unwrap().into_iter())
            .zip(pairs.target_indices().to_vec1::<u32>().unwrap())
        {
            shares[(4 * i + j) as usize] += plan.mass() / 20_000.0;
        }
        for (share, mass) in shares.iter().zip(plan.values()) {
            assert!(
                (share - mass).abs() < 0.012,
                "{shares:?} {:?}",
                plan.values()
            );
        }
        // What is carried is the weights' ratio times the weight.
        let carried: f64 = plan.row_ratios().iter().map(|ratio| ratio / 3.0).sum();
        let brought: f64 = plan.column_ratios().iter().map(|ratio| ratio / 4.0).sum();
        assert!((carried - plan.mass()).abs() < 1e-14 && (brought - plan.mass()).abs() < 1e-14);
    }

    #[test]
    fn plans_without_mass_are_refused() {
        let entry = |mass: f64, row: usize| Entry {
            row,
            column: 0,
            mass,
        };
        for entries in [
            vec![],
            vec![entry(0.0, 0)],
            vec![entry(-1.0, 0), entry(2.0, 1)],
            vec![entry(f64::NAN, 0)],
            vec![entry(1.0, u32::MAX as usize)],
        ] {
            let error = WeightedPairs::new(entries, &Device::Cpu).unwrap_err();
            assert!(
                matches!(&error, Error::Range { argument, .. } if argument == "entries"),
                "{error}"
            );
        }
        let one = WeightedPairs::new([entry(1.0, 0), entry(0.0, 1)], &Device::Cpu).unwrap();
        assert_eq!(one.pairs().len(), 1);
        assert!(one.draw(0, &mut Generator::from_seed(0)).is_err());
    }
}
