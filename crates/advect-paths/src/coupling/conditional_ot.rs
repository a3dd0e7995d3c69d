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
            Problem::Priced(cost) => Pairs::assigned(&assignment(&cost)?, x0.device()),
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
mod tests {
    use super::*;
    use crate::coupling::ExactOt;
    use candle_core::{DType, Device};

    fn batches(n: usize, rng: &mut Generator) -> (Tensor, Tensor) {
        let mut batch = || rng.normal((n, 2), DType::F64, &Device::Cpu).unwrap();
        (batch(), batch())
    }

    fn targets(pairs: &Pairs) -> Vec<u32> {
        pairs.target_indices().to_vec1::<u32>().unwrap()
    }

    /// Large weights of any kind give the pairs that infinite ones do, which are optimal in each class.
    #[test]
    fn large_weights_forbid() {
        let mut rng = Generator::from_seed(0);
        let n = 60;
        let (x0, x1) = batches(n, &mut rng);
        let labels = rng.integers(0..3, n, &Device::Cpu).unwrap();
        let context = labels.to_dtype(DType::F64).unwrap().unsqueeze(1).unwrap();
        let mut pair = |weight: f64, condition: &Tensor| {
            let coupling = ConditionalOt::new(weight).unwrap();
            targets(&coupling.pair_given(&x0, &x1, condition, &mut rng).unwrap())
        };
        let within = pair(f64::INFINITY, &labels);
        for weight in [1e3, 1e6, 1e15, 1e200, 1e300] {
            assert_eq!(pair(weight, &labels), within, "{weight}");
            assert_eq!(pair(weight, &context), within, "{weight}");
        }
        let free = targets(
            &ExactOt
                .pair(&x0, &x1, &mut Generator::from_seed(0))
                .unwrap(),
        );
        assert_eq!(pair(0.0, &labels), free);
        let of = labels.to_vec1::<u32>().unwrap();
        let agreement = |targets: &[u32]| {
            let pairs = targets.iter().enumerate();
            pairs.filter(|(i, j)| of[*i] == of[**j as usize]).count()
        };
        assert_eq!(agreement(&within), n);
        assert!(agreement(&free) < n / 2);
        // Between the two, both count.
        let some = agreement(&pair(1.0, &labels));
        assert!(some > agreement(&free) && some < n, "{some}");
        // Each class by itself.
        for class in 0..3u32 {
            let members: Vec<u32> = (0..n as u32).filter(|i| of[*i as usize] == class).collect();
            let indices = Tensor::new(members.as_slice(), &Device::Cpu).unwrap();
            let part = |x: &Tensor| x.index_select(&indices, 0).unwrap();
            let own = optimal(&part(&x0), &part(&x1)).unwrap();
            for (i, j) in members.iter().zip(targets(&own)) {
                assert_eq!(within[*i as usize], members[j as usize]);
            }
        }
    }

    /// The source's dependence on the context is what plain optimal transport leaves, and C²OT takes away.
    #[test]
    fn contexts_keep_most_of_the_source() {
        let mut rng = Generator::from_seed(1);
        let (mut plain, mut adapted, mut ways) = (0.0, 0.0, [0.0; 3]);
        let rounds = 20;
        for _ in 0..rounds {
            let (x0, x1) = batches(128, &mut rng);
            // The context is the first coordinate of the target, with noise.
            let context = x1.narrow(1, 0, 1).unwrap();
            let noise = (rng.normal_like(&context).unwrap() * 0.1).unwrap();
            let context = (context + noise).unwrap();
            let correlation = |pairs: &Pairs| {
                let source = pairs.source(&x0).unwrap().narrow(1, 0, 1).unwrap();
                let product = (source * pairs.target(&context).unwrap()).unwrap();
                product.mean_all().unwrap().to_scalar::<f64>().unwrap() / f64::from(rounds)
            };
            let way = |pairs: &Pairs| {
                let way = (pairs.source(&x0).unwrap() - pairs.target(&x1).unwrap()).unwrap();
                let squares = way.sqr().unwrap().mean_all().unwrap();
                squares.to_scalar::<f64>().unwrap() / f64::from(rounds)
            };
            let free = ExactOt.pair(&x0, &x1, &mut rng).unwrap();
            let kept = ExactOt.pair_given(&x0, &x1, &context, &mut rng).unwrap();
            plain += correlation(&free);
            adapted += correlation(&kept);
            ways[0] += way(&free);
            ways[1] += way(&kept);
            ways[2] +=
                way(
                    &Pairs::from_indices((0..128).collect(), (0..128).collect(), &Device::Cpu)
                        .unwrap(),
                );
        }
        assert!(plain > 0.8, "{plain}");
        assert!(adapted.abs() < 0.25 * plain, "{adapted} {plain}");
        assert!(ways[0] < ways[1] && ways[1] < 0.8 * ways[2], "{ways:?}");
    }

    #[test]
    fn the_share_is_that_of_candidates() {
        let mut rng = Generator::from_seed(2);
        let n = 50;
        let (x0, x1) = batches(n, &mut rng);
        let context = rng.normal((n, 3), DType::F64, &Device::Cpu).unwrap();
        let distances = squared_distances(&x0, &x1).unwrap();
        let differences = Cost::squared_euclidean(&context, &context).unwrap();
        let mut before = f64::INFINITY;
        for share in [0.0, 0.05, 0.2, 1.0] {
            let weight = weight_of(share, &distances, &differences);
            let mut count = 0;
            for i in 0..n {
                for j in (0..n).filter(|j| *j != i) {
                    let cost = distances.row(i)[j] + weight * differences.row(i)[j];
                    count += usize::from(cost < distances.row(i)[i] * (1.0 - 1e-12));
                }
            }
            let allowed = share * (n * (n - 1)) as f64;
            assert!(count as f64 <= allowed, "{share}: {count}");
            assert!(
                weight == 0.0 || count as f64 > allowed - 2.0,
                "{share}: {count}"
            );
            assert!(weight < before);
            before = weight;
        }
        assert_eq!(before, 0.0);
        // Alone, or all alike: there is nothing to weigh.
        let one = |x: &Tensor| x.narrow(0, 0, 1).unwrap();
        let pairs = ExactOt
            .pair_given(&one(&x0), &one(&x1), &one(&context), &mut rng)
            .unwrap();
        assert_eq!(targets(&pairs), [0]);
        let same = context.zeros_like().unwrap();
        let pairs = ExactOt.pair_given(&x0, &x1, &same, &mut rng).unwrap();
        assert_eq!(targets(&pairs), targets(&optimal(&x0, &x1).unwrap()));
    }

    #[test]
    fn conditions_that_do_not_fit_are_refused() {
        let mut rng = Generator::from_seed(0);
        let (x, _) = batches(4, &mut rng);
        let labels = |v: &[u32]| Tensor::new(v, &Device::Cpu).unwrap();
        let coupling = ConditionalOt::new(1.0).unwrap();
        let error = coupling
            .pair_given(&x, &x, &labels(&[0, 1, 2]), &mut rng)
            .unwrap_err();
        assert!(matches!(error, Error::Shape { argument, .. } if argument == "condition"));
        let error = coupling
            .pair_between(&x, &labels(&[0; 4]), &x, &x)
            .unwrap_err();
        assert!(matches!(error, Error::DType { argument, .. } if argument == "of_x1"));
        let forbidding = ConditionalOt::new(f64::INFINITY).unwrap();
        let (a, b) = (labels(&[0, 1, 1, 2]), labels(&[0, 1, 2, 2]));
        let error = forbidding.pair_between(&x, &a, &x, &b).unwrap_err();
        assert!(matches!(error, Error::Range { .. }), "{error}");
        assert!(coupling.pair_between(&x, &a, &x, &b).is_ok());
        let error = coupling.pair(&x, &x, &mut rng).unwrap_err();
        assert!(error.to_string().contains("pair_given"), "{error}");
        assert!(ConditionalOt::new(-1.0).is_err() && ConditionalOt::new(f64::NAN).is_err());
        assert!(ConditionalOt::adaptive(1.5).is_err());
    }
}
