//! What holds for every coupling; each coupling's tests call it.

use advect_core::{Error, Generator};
use candle_core::{DType, Device, Tensor};

use super::Coupling;

/// Checks that marginals are preserved, that the cost is not above that of the batches as they came
/// (on average), and the errors for batches that do not fit.
pub(crate) fn check(coupling: &impl Coupling) {
    let mut rng = Generator::from_seed(2);
    let (mut before, mut after) = (0.0, 0.0);
    for _ in 0..50 {
        let x0 = rng.normal((33, 2), DType::F64, &Device::Cpu).unwrap();
        let x1 = rng.normal((33, 2), DType::F64, &Device::Cpu).unwrap();
        let pairs = coupling.pair(&x0, &x1, &mut rng).unwrap();
        for indices in [pairs.source_indices(), pairs.target_indices()] {
            let mut indices = indices.to_vec1::<u32>().unwrap();
            indices.sort_unstable();
            assert!(indices.into_iter().eq(0..33), "each sample once");
        }
        let cost = |a: Tensor, b: Tensor| -> f64 {
            let difference = (&a - &b).unwrap();
            difference
                .sqr()
                .unwrap()
                .sum_all()
                .unwrap()
                .to_scalar()
                .unwrap()
        };
        before += cost(x0.clone(), x1.clone());
        after += cost(pairs.source(&x0).unwrap(), pairs.target(&x1).unwrap());
    }
    assert!(after <= 1.1 * before, "{after} against {before}");

    let x0 = rng.normal((4, 2), DType::F64, &Device::Cpu).unwrap();
    let mut fails = |x1| coupling.pair(&x0, &x1, &mut rng).unwrap_err();
    assert!(matches!(
        fails(x0.narrow(0, 0, 3).unwrap()),
        Error::Shape { .. }
    ));
    assert!(matches!(
        fails(x0.to_dtype(DType::F32).unwrap()),
        Error::DType { .. }
    ));
    let empty = x0.narrow(0, 0, 0).unwrap();
    assert!(matches!(
        coupling.pair(&empty, &empty, &mut rng),
        Err(Error::Empty { .. })
    ));
}
