//! Bad arguments of every metric are typed errors; dtypes and ranks don't matter.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use advect_core::{Error, Generator};
use advect_metrics::*;
use candle_core::{DType, Device, Tensor};

type Metric = Box<dyn Fn(&Tensor, &Tensor) -> advect_core::Result<f64>>;

fn metrics() -> Vec<(&'static str, Metric)> {
    vec![
        ("wasserstein2", Box::new(wasserstein2)),
        (
            "sliced",
            Box::new(|x, y| sliced_wasserstein2(x, y, 10, &mut Generator::from_seed(0))),
        ),
        ("energy", Box::new(energy_distance)),
        ("mmd2", Box::new(|x, y| mmd2(x, y, 1.0))),
        ("two_sample", Box::new(nearest_neighbour_two_sample)),
    ]
}

#[test]
fn bad_samples_are_typed_errors() {
    let x = Generator::from_seed(0)
        .normal((6, 4), DType::F32, &Device::Cpu)
        .unwrap();
    let nan = (&x * f64::NAN).unwrap();
    let empty = x.narrow(0, 0, 0).unwrap();
    let narrow = x.narrow(1, 0, 3).unwrap();
    let scalar = Tensor::new(1f32, &Device::Cpu).unwrap();
    for (name, metric) in metrics() {
        let fails = |x: &Tensor, y: &Tensor| metric(x, y).expect_err(name);
        assert!(
            matches!(fails(&x, &nan), Error::NonFinite { argument, .. } if argument == "y"),
            "{name}"
        );
        assert!(
            matches!(fails(&nan, &x), Error::NonFinite { argument, .. } if argument == "x"),
            "{name}"
        );
        assert!(
            matches!(fails(&x, &narrow), Error::Shape { argument, .. } if argument == "y"),
            "{name}"
        );
        assert!(
            matches!(fails(&scalar, &x), Error::Shape { argument, .. } if argument == "x"),
            "{name}"
        );
        assert!(
            matches!(fails(&empty, &empty), Error::Empty { .. }),
            "{name}"
        );
    }
    assert!(matches!(
        wasserstein2(&x, &x.narrow(0, 0, 5).unwrap()),
        Err(Error::Shape { .. })
    ));
    let one = x.narrow(0, 0, 1).unwrap();
    assert!(matches!(
        energy_distance(&x, &one),
        Err(Error::Range { .. })
    ));
    assert!(matches!(mmd2(&one, &x, 1.0), Err(Error::Range { .. })));
    assert!(sliced_wasserstein2(&x, &x, 0, &mut Generator::from_seed(0)).is_err());
    assert!(path_energy(&[0.0], std::slice::from_ref(&x)).is_err());
    assert!(path_energy(&[0.0, 0.0], &[x.clone(), x.clone()]).is_err());
    assert!(normalized_path_energy_error(1.0, 0.0).is_err());
    assert!(normalized_path_energy_error(f64::NAN, 1.0).is_err());
    // What would overflow is an error, not NaN.
    let huge = (x.to_dtype(DType::F64).unwrap() * 1e200).unwrap();
    assert!(energy_distance(&huge, &(&huge * 2.0).unwrap()).is_err());
    assert!(mmd2(&x, &x, 1e-170).unwrap().abs() < 1.0);
    let labels = Tensor::zeros(6, DType::U32, &Device::Cpu).unwrap();
    let error = nearest_neighbour_labels(&x, &narrow, &labels, 1).unwrap_err();
    assert!(matches!(error, Error::Shape { argument, .. } if argument == "references"));
    let error = nearest_neighbour_labels(&nan, &x, &labels, 1).unwrap_err();
    assert!(matches!(error, Error::NonFinite { argument, .. } if argument == "queries"));
    let short = labels.narrow(0, 0, 5).unwrap();
    assert!(nearest_neighbour_labels(&x, &x, &short, 1).is_err());
}

#[test]
fn dtype_and_rank_do_not_matter() {
    let x = Generator::from_seed(0)
        .normal((20, 2, 2), DType::F32, &Device::Cpu)
        .unwrap();
    let y = Generator::from_seed(1)
        .normal((20, 2, 2), DType::F32, &Device::Cpu)
        .unwrap();
    for (name, metric) in metrics() {
        let double = |x: &Tensor| x.to_dtype(DType::F64).unwrap().reshape((20, 4)).unwrap();
        let (a, b) = (
            metric(&x, &y).unwrap(),
            metric(&double(&x), &double(&y)).unwrap(),
        );
        assert!((a - b).abs() < 1e-12, "{name}: {a} {b}");
    }
}
