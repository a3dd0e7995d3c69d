//! Minibatch optimal transport (Pooladian et al. 2023; OT-CFM, Tong et al. 2024).

use advect_core::{Error, Generator, Result, check};
use advect_transport::{Cost, ExactPlan, assignment};
use candle_core::Tensor;

use super::{ConditionalOt, Coupling, Pairs, draw};

/// A coupling by the permutation π that minimises `Σ_i |x0_i − x1_π(i)|²`, exactly.
///
/// Every sample occurs once: nothing is drawn, unlike resampling from a transport plan, which repeats
/// some samples and leaves out others.
///
/// Between batches of different sizes there is no permutation, but an optimal plan of equal weights on either side. A source is
/// drawn for each target then, from the plan given that target: the law of a pair is the plan's.
///
/// ```
/// use advect_core::Generator;
/// use advect_paths::coupling::{Coupling, ExactOt};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x0 = Tensor::new(&[[0.0f32], [1.0], [2.0]], &Device::Cpu)?;
/// let x1 = Tensor::new(&[[2.5f32], [0.5], [1.5]], &Device::Cpu)?;
/// let pairs = ExactOt.pair(&x0, &x1, &mut Generator::from_seed(0))?;
/// assert_eq!(pairs.target_indices().to_vec1::<u32>()?, [1, 2, 0]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "OT-CFM")]
#[doc(alias = "minibatch optimal transport")]
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ExactOt;

impl Coupling for ExactOt {
    fn pair(&self, x0: &Tensor, x1: &Tensor, rng: &mut Generator) -> Result<Pairs> {
        if x0.dims().first() == x1.dims().first() {
            return optimal(x0, x1);
        }
        let plan = ExactPlan::uniform(&squared_distances(x0, x1)?)?;
        let (source, target) = draw::by_target_of(plan.entries(), plan.columns(), rng)?;
        Pairs::from_indices(source, target, x0.device())
    }

    /// Pairs samples within each class of equal labels. For contexts that are floats, it does as
    /// [`ConditionalOt::default`].
    ///
    /// # Errors
    /// As [`ConditionalOt::pair_between`].
    fn pair_given(
        &self,
        x0: &Tensor,
        x1: &Tensor,
        condition: &Tensor,
        rng: &mut Generator,
    ) -> Result<Pairs> {
        ConditionalOt::default().pair_given(x0, x1, condition, rng)
    }
}

/// The optimal pairs of two batches.
pub(super) fn optimal(x0: &Tensor, x1: &Tensor) -> Result<Pairs> {
    check_points(x0, x1)?;
    Pairs::assigned(&assignment(squared_distances(x0, x1)?)?, x0.device())
}

/// The costs of two batches of samples of one shape. They tell of points that are not finite, which are then looked for.
pub(super) fn squared_distances(x0: &Tensor, x1: &Tensor) -> Result<Cost> {
    check::batch("x0", x0)?;
    check::batch("x1", x1)?;
    check::float("x0", x0)?;
    check::same_kind("x1", x1, "x0", x0)?;
    if x0.dims()[1..] != x1.dims()[1..] {
        let accepted = format!(
            "(batch, ...) with samples of shape {:?}, as in x0",
            &x0.dims()[1..]
        );
        return Err(Error::shape("x1", x1.dims(), accepted));
    }
    Cost::squared_euclidean(x0, x1).or_else(|error| {
        check::finite("x0", x0)?;
        check::finite("x1", x1)?;
        Err(error)
    })
}

/// Checks two batches of points of one size, finite or not. Returns it.
pub(super) fn check_points(x0: &Tensor, x1: &Tensor) -> Result<usize> {
    let batch = check::batch("x0", x0)?;
    check::float("x0", x0)?;
    check::alike("x1", x1, "x0", x0)?;
    Ok(batch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coupling::contract;
    use candle_core::{DType, Device};

    #[test]
    fn keeps_the_contract() {
        contract::check_permutation(&ExactOt);
    }

    #[test]
    fn batches_of_different_sizes_have_pairs_of_the_plan() {
        let mut rng = Generator::from_seed(5);
        let mut batch = |n: usize| rng.normal((n, 2), DType::F64, &Device::Cpu).unwrap();
        // Whole shares: nearly all targets have one source.
        let (few, many) = (batch(5), batch(960));
        let pairs = ExactOt
            .pair(&few, &many, &mut Generator::from_seed(0))
            .unwrap();
        let targets = pairs.target_indices().to_vec1::<u32>().unwrap();
        assert_eq!(targets, Vec::from_iter(0..960));
        let mut counts = [0i32; 5];
        for i in pairs.source_indices().to_vec1::<u32>().unwrap() {
            counts[i as usize] += 1;
        }
        assert!(
            counts.iter().all(|count| (count - 192).abs() <= 4),
            "{counts:?}"
        );
        let way = (pairs.source(&few).unwrap() - pairs.target(&many).unwrap()).unwrap();
        let cost = way
            .sqr()
            .unwrap()
            .sum_all()
            .unwrap()
            .to_scalar::<f64>()
            .unwrap()
            / 960.0;
        let distances = squared_distances(&few, &many).unwrap();
        let least = ExactPlan::uniform(&distances).unwrap().cost(&distances);
        assert!((cost / least - 1.0).abs() < 0.05, "{cost} {least}");

        // Shares that are not whole: drawn.
        let (x0, x1) = (batch(4), batch(3));
        let plan = ExactPlan::uniform(&squared_distances(&x0, &x1).unwrap()).unwrap();
        let (rounds, mut rng) = (5000, Generator::from_seed(1));
        let mut shares = [0.0; 12];
        for _ in 0..rounds {
            let pairs = ExactOt.pair(&x0, &x1, &mut rng).unwrap();
            for (i, j) in (pairs.source_indices().to_vec1::<u32>().unwrap().into_iter()).zip(0..3) {
                shares[i as usize * 3 + j] += 1.0 / (3.0 * f64::from(rounds));
            }
        }
        for entry in plan.entries() {
            shares[entry.row * 3 + entry.column] -= entry.mass;
        }
        assert!(shares.iter().all(|off| off.abs() < 0.015), "{shares:?}");
        let error = ExactOt
            .pair(&x0, &x1.narrow(1, 0, 1).unwrap(), &mut rng)
            .unwrap_err();
        assert!(matches!(error, Error::Shape { argument, .. } if argument == "x1"));
    }

    #[test]
    fn pairs_are_monotone_in_one_dimension() {
        let mut rng = Generator::from_seed(0);
        for dtype in [DType::F64, DType::F32, DType::BF16] {
            let x0 = rng.normal((20, 1, 1), dtype, &Device::Cpu).unwrap();
            let x1 = rng.normal((20, 1, 1), dtype, &Device::Cpu).unwrap();
            let pairs = ExactOt.pair(&x0, &x1, &mut rng).unwrap();
            let values = |x: Tensor| -> Vec<f64> {
                x.flatten_all()
                    .unwrap()
                    .to_dtype(DType::F64)
                    .unwrap()
                    .to_vec1()
                    .unwrap()
            };
            let (a, b) = (
                values(pairs.source(&x0).unwrap()),
                values(pairs.target(&x1).unwrap()),
            );
            for i in 0..20 {
                assert!((0..20).all(|j| a[i] >= a[j] || b[i] <= b[j]));
            }
        }
    }

    #[test]
    fn bad_points_are_named() {
        let x = Tensor::new(&[[0f32], [f32::NAN]], &Device::Cpu).unwrap();
        let zeros = x.zeros_like().unwrap();
        let name =
            |x0: &Tensor, x1: &Tensor| match ExactOt.pair(x0, x1, &mut Generator::from_seed(0)) {
                Err(Error::NonFinite { argument, .. }) => argument.into_owned(),
                other => panic!("{other:?}"),
            };
        assert_eq!(
            (name(&x, &zeros), name(&zeros, &x)),
            ("x0".to_string(), "x1".to_string())
        );
    }

    #[test]
    fn points_that_are_not_finite_are_named_in_any_dimension() {
        for dim in [2, 40] {
            let good = Tensor::zeros((3, dim), DType::F32, &Device::Cpu).unwrap();
            for bad in [f32::NAN, f32::INFINITY] {
                let bad = (&good + f64::from(bad)).unwrap();
                for (x0, x1, name) in [(&bad, &good, "x0"), (&good, &bad, "x1")] {
                    let error = ExactOt
                        .pair(x0, x1, &mut Generator::from_seed(0))
                        .unwrap_err();
                    let named =
                        matches!(&error, Error::NonFinite { argument, .. } if argument == name);
                    assert!(named, "{error}");
                }
            }
        }
    }
}
