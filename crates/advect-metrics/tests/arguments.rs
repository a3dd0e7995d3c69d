//! Bad arguments of every metric are typed errors; dtypes and ranks don't matter.

use advect_core::testing::device;
use advect_core::{Error, Generator};
use advect_metrics::*;
use candle_core::{DType, Tensor};

type Metric = Box<dyn Fn(&Tensor, &Tensor) -> advect_core::Result<f64>>;

fn metrics() -> Vec<(&'static str, Metric)> {
    vec![
        ("wasserstein2", Box::new(wasserstein2)),
        ("wasserstein1", Box::new(wasserstein1)),
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
        .normal((6, 4), DType::F32, device())
        .unwrap();
    let nan = (&x * f64::NAN).unwrap();
    let empty = x.narrow(0, 0, 0).unwrap();
    let narrow = x.narrow(1, 0, 3).unwrap();
    let scalar = Tensor::new(1f32, device()).unwrap();
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
    assert!(mmd2(&x, &x, 1e-170).unwrap().abs() < 1.0);
    let labels = Tensor::zeros(6, DType::U32, device()).unwrap();
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
        .normal((20, 2, 2), DType::F32, device())
        .unwrap();
    let y = Generator::from_seed(1)
        .normal((20, 2, 2), DType::F32, device())
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

fn random(seed: u64, shape: (usize, usize)) -> Tensor {
    Generator::from_seed(seed)
        .normal(shape, DType::F64, device())
        .unwrap()
}

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * b.abs()
}

/// Sizes at which squares over- or underflow are as good as others; what overflows itself is an error.
#[test]
fn samples_of_any_size_have_their_distances() {
    let (x, y) = (random(0, (30, 3)), random(1, (30, 3)));
    let labels = Tensor::arange(0u32, 30, device()).unwrap();
    for exponent in [-700, 700] {
        let scale = f64::from(exponent).exp2();
        let (a, b) = ((&x * scale).unwrap(), (&y * scale).unwrap());
        for (name, metric) in metrics() {
            let (small, large) = (metric(&x, &y).unwrap(), metric(&a, &b));
            let expected = match name {
                "mmd2" | "two_sample" => 1.0,
                _ => scale,
            };
            if name != "mmd2" {
                assert!(close(large.unwrap(), small * expected, 1e-12), "{name}");
            }
        }
        let bandwidth = median_bandwidth(&x, &y).unwrap();
        assert!(close(
            median_bandwidth(&a, &b).unwrap(),
            bandwidth * scale,
            1e-12
        ));
        let mmd = mmd2(&a, &b, bandwidth * scale).unwrap();
        assert!(close(mmd, mmd2(&x, &y, bandwidth).unwrap(), 1e-9));
        assert_eq!(
            nearest_neighbour_labels(&a, &b, &labels, 30).unwrap(),
            nearest_neighbour_labels(&x, &y, &labels, 30).unwrap()
        );
    }
    let far = Tensor::new(&[[1.7e308f64], [1.6e308]], device()).unwrap();
    let opposite = far.neg().unwrap();
    assert!(matches!(
        median_bandwidth(&far, &opposite),
        Err(Error::Range { .. })
    ));
    for (name, metric) in metrics() {
        if ["wasserstein1", "wasserstein2", "sliced", "energy"].contains(&name) {
            assert!(
                matches!(metric(&far, &opposite), Err(Error::Range { .. })),
                "{name}"
            );
        }
    }
}

#[test]
fn path_energies_overflow_only_where_they_are_too_large() {
    let at = |x: f64| Tensor::new(&[[x]], device()).unwrap();
    let huge = [at(0.0), at(1e200)];
    assert!(matches!(
        path_energy(&[0.0, 1.0], &huge),
        Err(Error::Range { .. })
    ));
    assert!(close(
        path_energy(&[0.0, 1e150], &huge).unwrap(),
        1e250,
        1e-12
    ));
    assert!(close(
        path_energy(&[0.0, 1e-150], &[at(0.0), at(1e-200)]).unwrap(),
        1e-250,
        1e-12
    ));
    let far = [at(-1.7e308), at(1.7e308)];
    assert!(matches!(
        path_energy(&[0.0, 1.0], &far),
        Err(Error::Range { .. })
    ));
    let error = path_energy(&[0.0, 1.0], &[at(0.0), at(f64::NAN)]).unwrap_err();
    assert!(matches!(error, Error::NonFinite { argument, .. } if argument == "states"));
    let whole = Tensor::zeros((2, 1), DType::U32, device()).unwrap();
    let error = path_energy(&[0.0, 1.0], &[whole.clone(), whole]).unwrap_err();
    assert!(matches!(error, Error::DType { .. }));

    assert_eq!(normalized_path_energy_error(1.0, 1e200).unwrap(), 1.0);
    assert!(matches!(
        normalized_path_energy_error(1.0, 1e-200),
        Err(Error::Range { .. })
    ));
    assert!(close(
        normalized_path_energy_error(1e-300, 1e-200).unwrap(),
        1e100,
        1e-12
    ));
    assert_eq!(normalized_path_energy_error(0.0, 1e-200).unwrap(), 1.0);
}

/// A sample is at distance 0 from itself, in any dimension, with equals and near equals in it.
#[test]
fn a_sample_is_where_it_is() {
    for (n, d) in [(40, 1), (40, 2), (40, 16), (40, 17), (40, 200)] {
        let x = random(3, (n, d));
        let near = (&x + 1e-9).unwrap();
        let all = Tensor::cat(&[&x, &near, &x], 0).unwrap();
        for x in [
            &x,
            &all,
            &(&all + 1e6).unwrap(),
            &all.to_dtype(DType::F32).unwrap(),
        ] {
            assert_eq!(wasserstein2(x, x).unwrap(), 0.0, "{n} × {d}");
            assert_eq!(wasserstein1(x, x).unwrap(), 0.0);
            let reversed = x.flip(&[0]).unwrap();
            assert_eq!(wasserstein2(x, &reversed).unwrap(), 0.0);
            assert_eq!(
                sliced_wasserstein2(x, &reversed, 5, &mut Generator::from_seed(0)).unwrap(),
                0.0
            );
        }
    }
}

/// Clouds far from the origin: powers of two leave the points what they were.
#[test]
fn distances_do_not_lose_digits_to_an_offset() {
    let grid = |seed: u64, d: usize| {
        let x = (random(seed, (50, d)) * 1024.0).unwrap().round().unwrap();
        (x / 1024.0).unwrap()
    };
    let offset = 2f64.powi(30);
    for d in [1, 2, 40] {
        let (x, y) = (grid(0, d), grid(1, d));
        let (a, b) = ((&x + offset).unwrap(), (&y + offset).unwrap());
        for (name, metric) in metrics() {
            let (near, far) = (metric(&x, &y).unwrap(), metric(&a, &b).unwrap());
            assert!((near - far).abs() < 1e-12, "{name} {d}: {near} {far}");
        }
        let near = median_bandwidth(&x, &y).unwrap();
        assert!((median_bandwidth(&a, &b).unwrap() - near).abs() < 1e-12);
    }
}

/// Views of every kind are as good as copies.
#[test]
fn views_are_accepted() {
    let y = random(1, (12, 3));
    let wide = random(2, (3, 14));
    let views = [
        wide.t().unwrap().narrow(0, 1, 12).unwrap(),
        random(3, (1, 3)).broadcast_as((12, 3)).unwrap(),
        random(4, (12, 7)).narrow(1, 2, 3).unwrap(),
        random(5, (3, 12))
            .reshape((3, 12))
            .unwrap()
            .transpose(0, 1)
            .unwrap(),
        y.flip(&[0]).unwrap(),
    ];
    for view in views {
        let values = view.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let copy = Tensor::from_vec(values, (12, 3), device()).unwrap();
        for (name, metric) in metrics() {
            assert_eq!(
                metric(&view, &y).unwrap(),
                metric(&copy, &y).unwrap(),
                "{name}"
            );
            assert_eq!(
                metric(&y, &view).unwrap(),
                metric(&y, &copy).unwrap(),
                "{name}"
            );
        }
        let labels = Tensor::arange(0u32, 24, device()).unwrap();
        let labels = labels.reshape((12, 2)).unwrap().narrow(1, 1, 1).unwrap();
        let labels = labels.squeeze(1).unwrap();
        assert_eq!(
            nearest_neighbour_labels(&view, &y, &labels, 24).unwrap(),
            nearest_neighbour_labels(&copy, &y, &labels.copy().unwrap(), 24).unwrap()
        );
        assert_eq!(
            median_bandwidth(&view, &y).unwrap(),
            median_bandwidth(&copy, &y).unwrap()
        );
        assert_eq!(
            path_energy(&[0.0, 1.0], &[view.clone(), y.clone()]).unwrap(),
            path_energy(&[0.0, 1.0], &[copy, y.clone()]).unwrap()
        );
    }
}

#[test]
fn absurd_sizes_and_dtypes_are_typed_errors() {
    let x = random(0, (4, 2));
    let error = sliced_wasserstein2(&x, &x, 1 << 62, &mut Generator::from_seed(0)).unwrap_err();
    assert!(matches!(error, Error::Range { argument, .. } if argument == "projections"));
    let whole = Tensor::zeros((4, 2), DType::I64, device()).unwrap();
    for (name, metric) in metrics() {
        let error = metric(&x, &whole).unwrap_err();
        assert!(
            matches!(error, Error::DType { argument, .. } if argument == "y"),
            "{name}"
        );
    }
    assert!(matches!(
        median_bandwidth(&whole, &x),
        Err(Error::DType { .. })
    ));
}
