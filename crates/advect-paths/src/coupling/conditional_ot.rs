//! Optimal transport with conditions: pairs should also agree in their conditions (Chemseddine et al. 2024; Kerrigan et al.
//! 2024; C²OT, Cheng and Schwing 2025).

use advect_core::{Error, Generator, Result, check};
use advect_transport::{Cost, assignment};
use candle_core::Tensor;

use super::classes::{Classes, Named};
use super::exact_ot::{check_points, optimal, squared_distances};
use super::{Coupling, Pairs};

/// A coupling by the permutation of least `Σ_i |x0_i − x1_j|² + w d(c_i, c_j)`, `j = π(i)`, where d is 1 for labels
/// that differ, and the squared distance of contexts that are floats.
///
/// Plain optimal transport mixes conditions up: a source near class a is paired with a instead of its own label, and
/// the flow given a label is trained from a part of the noise only. With an infinite weight w, pairs agree in their conditions;
/// with none it is [`ExactOt`](super::ExactOt). In between, a part of the source's dependence on the condition remains,
/// the less the larger w is, and the pairs are the shorter the smaller it is.
///
/// Contexts are all different, as a rule, and an infinite weight leaves their pairs as they came. [`ConditionalOt::adaptive`]
/// finds a weight in each batch, as C²OT does; so does the [`Default`], with a share of 0.05. Labels are kept apart by both.
///
/// ```
/// use advect_core::Generator;
/// use advect_paths::coupling::{ConditionalOt, Coupling};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x0 = Tensor::new(&[[0.0f32], [1.0], [2.0], [3.0]], &Device::Cpu)?;
/// let x1 = Tensor::new(&[[2.1f32], [1.1], [0.1], [3.1]], &Device::Cpu)?;
/// let labels = Tensor::new(&[0u32, 1, 0, 1], &Device::Cpu)?;
/// let coupling = ConditionalOt::new(f64::INFINITY)?;
/// let pairs = coupling.pair_given(&x0, &x1, &labels, &mut Generator::from_seed(0))?;
/// assert_eq!(pairs.target_indices().to_vec1::<u32>()?, [2, 1, 0, 3]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "C²OT")]
#[doc(alias = "C2OT")]
#[doc(alias = "conditional optimal transport")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConditionalOt {
    price: Price,
}

/// How the weight of the conditions is found.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Price {
    Weight(f64),
    Share(f64),
}

impl Default for ConditionalOt {
    /// Returns [`ConditionalOt::adaptive`] with a share of 0.05.
    fn default() -> Self {
        ConditionalOt {
            price: Price::Share(0.05),
        }
    }
}

/// The pairing problem that is left once the weight is known.
pub(super) enum Problem {
    /// Samples of different conditions are not paired.
    Within(Classes),
    /// A difference of conditions has a price.
    Priced(Cost),
}

impl ConditionalOt {
    /// Creates a coupling with a weight w, the price of a difference between conditions. Infinity forbids differences.
    ///
    /// # Errors
    /// [`Error::Range`] for a weight that is negative or NaN.
    pub fn new(weight: f64) -> Result<Self> {
        if weight.is_nan() || weight < 0.0 {
            return Err(Error::range("weight", weight, "a number of at least 0"));
        }
        Ok(ConditionalOt {
            price: Price::Weight(weight),
        })
    }

    /// Creates a coupling whose weight is found for each batch. With that weight, a `share` of all pairs of a source
    /// with another sample's target cost no more than the source with its own target,
    /// `|x0_i − x1_j|² + w d(c_i, c_j) ≤ |x0_i − x1_i|²`. Optimal transport chooses from these pairs (Cheng and
    /// Schwing 2025 find the weight by bisection). Labels are kept apart, whatever the share.
    ///
    /// # Errors
    /// [`Error::Range`] unless the share is in \[0, 1\].
    pub fn adaptive(share: f64) -> Result<Self> {
        Ok(ConditionalOt {
            price: Price::Share(check::fraction("share", share)?),
        })
    }

    /// Pairs sources with targets whose conditions are given separately, because they are in another order, for instance.
    ///
    /// ```
    /// use advect_paths::coupling::ConditionalOt;
    /// use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// let x0 = Tensor::new(&[[0.0f32], [1.0]], &Device::Cpu)?;
    /// let x1 = Tensor::new(&[[0.1f32], [1.1]], &Device::Cpu)?;
    /// let (of_x0, of_x1) = (Tensor::new(&[7u32, 3], &Device::Cpu)?, Tensor::new(&[3u32, 7], &Device::Cpu)?);
    /// let pairs = ConditionalOt::new(f64::INFINITY)?.pair_between(&x0, &of_x0, &x1, &of_x1)?;
    /// assert_eq!(pairs.target_indices().to_vec1::<u32>()?, [1, 0]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Typed errors for conditions that are not of one kind, or not one for each sample; [`Error::Range`] where differences are
    /// forbidden, but the two batches don't have the same conditions; as [`ExactOt`](super::ExactOt).
    pub fn pair_between(
        &self,
        x0: &Tensor,
        of_x0: &Tensor,
        x1: &Tensor,
        of_x1: &Tensor,
    ) -> Result<Pairs> {
        self.solve(x0, ("of_x0", of_x0), x1, ("of_x1", of_x1))
    }

    fn solve(&self, x0: &Tensor, of_x0: Named<'_>, x1: &Tensor, of_x1: Named<'_>) -> Result<Pairs> {
        match self.problem(x0, of_x0, x1, of_x1)? {
            Problem::Within(classes) => classes.pair_each(x0, x1, optimal),
            Problem::Priced(cost) => Pairs::assigned(&assignment(cost)?, x0.device()),
        }
    }

    /// Returns the problem to solve for two batches and their conditions.
    pub(super) fn problem(
        &self,
        x0: &Tensor,
        of_x0: Named<'_>,
        x1: &Tensor,
        of_x1: Named<'_>,
    ) -> Result<Problem> {
        let batch = check_points(x0, x1)?;
        let classes = Classes::new(of_x0, of_x1, batch)?;
        let labels = of_x0.1.dtype().is_int();
        let apart = match self.price {
            Price::Weight(weight) => weight == f64::INFINITY,
            Price::Share(_) => labels,
        };
        if apart {
            return Ok(Problem::Within(classes));
        }
        let distances = squared_distances(x0, x1)?;
        let differences = match labels {
            true => mismatch(&classes)?,
            false => Cost::squared_euclidean(of_x0.1, of_x1.1)?,
        };
        let weight = match self.price {
            Price::Weight(weight) => weight,
            Price::Share(share) => weight_of(share, &distances, &differences),
        };
        match forbids(weight, &classes, &distances, &differences) {
            true => Ok(Problem::Within(classes)),
            false => Ok(Problem::Priced(distances.plus(weight, &differences)?)),
        }
    }
}

/// 1 where classes differ.
fn mismatch(classes: &Classes) -> Result<Cost> {
    let (n, m) = (classes.of_x0.len(), classes.of_x1.len());
    let row = |a: &usize| -> Vec<f64> {
        let differ = |b: &usize| f64::from(u8::from(a != b));
        classes.of_x1.iter().map(differ).collect()
    };
    let rows: Vec<Vec<f64>> = classes.of_x0.iter().map(row).collect();
    Cost::new(n, m, rows.concat())
}

/// The least weight at which at most this share of the pairs (i, j), i ≠ j, cost no more than (i, i) does without it.
fn weight_of(share: f64, distances: &Cost, differences: &Cost) -> f64 {
    let n = distances.rows();
    let allowed = (share * (n * (n - 1)) as f64) as usize;
    // The weight up to which each pair is one of them.
    let mut weights = Vec::new();
    for i in 0..n {
        let (distances, differences) = (distances.row(i), differences.row(i));
        for (j, (c, d)) in distances.iter().zip(differences).enumerate() {
            if j != i && *c <= distances[i] {
                // 0/0 is a pair that no weight leaves out.
                let weight = (distances[i] - c) / d;
                weights.push(if weight.is_nan() {
                    f64::INFINITY
                } else {
                    weight
                });
            }
        }
    }
    if weights.len() <= allowed {
        return 0.0;
    }
    let (_, weight, _) = weights.select_nth_unstable_by(allowed, |a, b| b.total_cmp(a));
    *weight
}

/// Whether the weight is so large that no permutation between different conditions can be optimal: at least two pairs are
/// between them if one is, and cost more than any pairs within the classes do. Large weights would drown the distances.
fn forbids(weight: f64, classes: &Classes, distances: &Cost, differences: &Cost) -> bool {
    let Some(pairs) = classes.any_pairs() else {
        return weight == f64::INFINITY;
    };
    let reference: f64 = pairs.iter().map(|&(i, j)| distances.row(i)[j]).sum();
    let mut least = f64::INFINITY;
    for (i, a) in classes.of_x0.iter().enumerate() {
        for (d, b) in differences.row(i).iter().zip(&classes.of_x1) {
            if a != b {
                least = least.min(*d);
            }
        }
    }
    weight == f64::INFINITY || 2.0 * weight * least > reference
}

impl Coupling for ConditionalOt {
    /// # Errors
    /// Always [`Error::Range`], because this coupling needs conditions: [`Coupling::pair_given`] takes them.
    fn pair(&self, _: &Tensor, _: &Tensor, _: &mut Generator) -> Result<Pairs> {
        let accepted = "a condition for each sample, from pair_given or the field";
        Err(Error::range("condition", "none", accepted))
    }

    /// # Errors
    /// As [`ConditionalOt::pair_between`].
    fn pair_given(
        &self,
        x0: &Tensor,
        x1: &Tensor,
        condition: &Tensor,
        _: &mut Generator,
    ) -> Result<Pairs> {
        self.solve(x0, ("condition", condition), x1, ("condition", condition))
    }
}

#[cfg(test)]
mod tests;
