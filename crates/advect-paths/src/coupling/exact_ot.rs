//! Minibatch optimal transport (Pooladian et al. 2023; OT-CFM, Tong et al. 2024).

use advect_core::{Generator, Result, check};
use advect_transport::{Cost, assignment};
use candle_core::Tensor;

use super::{Coupling, Pairs};

/// Pairs the batches by the permutation π that minimises `Σ_i |x0_i − x1_π(i)|²`, exactly.
///
/// Every sample occurs once: nothing is drawn, unlike resampling from a transport plan, which repeats
/// some samples and leaves out others.
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
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ExactOt;

impl Coupling for ExactOt {
    fn pair(&self, x0: &Tensor, x1: &Tensor, _: &mut Generator) -> Result<Pairs> {
        check_points(x0, x1)?;
        let pairs = assignment(&squared_distances(x0, x1)?)?;
        let columns = pairs.into_iter().map(|(_, j)| j).collect();
        Pairs::permutation(columns, x0.device())
    }
}

/// The costs of two batches. They tell of points that are not finite, which are then looked for.
pub(super) fn squared_distances(x0: &Tensor, x1: &Tensor) -> Result<Cost> {
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
    use advect_core::Error;
    use candle_core::{DType, Device};

    #[test]
    fn keeps_the_contract() {
        contract::check(&ExactOt);
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
