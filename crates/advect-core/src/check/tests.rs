use super::*;

#[test]
fn finite_names_the_first_offender() {
    let x = Tensor::new(&[[1.0f32, 2.0], [f32::NAN, f32::INFINITY]], &Device::Cpu).unwrap();
    match finite("x1", &x) {
        Err(Error::NonFinite {
            argument,
            index: 2,
            value,
        }) => {
            assert_eq!(argument, "x1");
            assert!(value.is_nan());
        }
        other => panic!("{other:?}"),
    }
    assert!(finite("x1", &x.t().unwrap()).is_err());
    assert!(!is_finite_by_reduction(&x).unwrap());
    assert!(is_finite_by_reduction(&x.narrow(0, 0, 1).unwrap()).unwrap());
    assert!(finite("x1", &x.narrow(0, 0, 1).unwrap()).is_ok());
    let half = x.to_dtype(DType::BF16).unwrap();
    assert!(finite("x1", &half).is_err());
}

#[test]
fn memory_is_counted_without_overflow() {
    assert_eq!(memory("n", &[], DType::F64).unwrap(), 1);
    assert_eq!(memory("n", &[0, usize::MAX], DType::F64).unwrap(), 0);
    assert_eq!(memory("n", &[1 << 29, 1], DType::F64).unwrap(), 1 << 29);
    for shape in [
        &[usize::MAX][..],
        &[1 << 32, 1 << 32],
        &[1 << 50],
        &[0, usize::MAX, 8],
    ] {
        let error = memory("n", shape, DType::F32).unwrap_err();
        assert!(matches!(error, Error::Range { .. }), "{error}");
    }
}

#[test]
fn views_without_elements_are_finite() {
    let empty = Tensor::zeros((0, 8), DType::F64, &Device::Cpu).unwrap();
    assert!(is_finite(&empty.narrow(1, 3, 2).unwrap()).unwrap());
}

#[test]
fn finite_does_not_overflow() {
    // A sum of such values would overflow, though each is finite.
    let x = Tensor::full(f64::MAX, (3000,), &Device::Cpu).unwrap();
    assert!(finite("x", &x).is_ok());
    assert!(is_finite_by_reduction(&x).unwrap());
}

#[test]
fn one_number_of_many_is_found_by_rows() {
    let mut values = vec![1f32; 4 * 3 * 2000];
    let tensor = |values: &[f32]| Tensor::from_slice(values, (4, 3, 2000), &Device::Cpu).unwrap();
    assert!(is_finite_by_reduction(&tensor(&values)).unwrap());
    for (place, value) in [(17_001, f32::NAN), (23_999, f32::NEG_INFINITY)] {
        values[place] = value;
        assert!(!is_finite_by_reduction(&tensor(&values)).unwrap());
        values[place] = 0.0;
    }
}

#[test]
fn labels_are_checked() {
    let good = Tensor::new(&[0u32, 9, 3], &Device::Cpu).unwrap();
    assert_eq!(labels("labels", &good, 3, 10).unwrap(), [0, 9, 3]);
    let bad = Tensor::new(&[0i64, -1, 3], &Device::Cpu).unwrap();
    let message = labels("labels", &bad, 3, 10).unwrap_err().to_string();
    assert_eq!(message, "labels: got -1, expected a label in 0..10");
    assert!(matches!(
        labels("labels", &good, 4, 10),
        Err(Error::Shape { .. })
    ));
    let float = good.to_dtype(DType::F32).unwrap();
    assert!(matches!(
        labels("labels", &float, 3, 10),
        Err(Error::DType { .. })
    ));
}

#[test]
fn alike_names_what_differs() {
    let a = Tensor::zeros((2, 3), DType::F32, &Device::Cpu).unwrap();
    let b = Tensor::zeros((2, 4), DType::F32, &Device::Cpu).unwrap();
    let message = alike("x1", &b, "x0", &a).unwrap_err().to_string();
    assert_eq!(
        message,
        "x1: got shape [2, 4], expected the shape [2, 3] of x0"
    );
    let c = a.to_dtype(DType::F64).unwrap();
    assert!(matches!(
        alike("x1", &c, "x0", &a),
        Err(Error::DType { .. })
    ));
}

#[test]
fn labels_of_none_become_rows_beside_weights_of_classes() {
    let weights = Tensor::new(&[[0.5f32, 0.5], [1.0, 0.0]], &Device::Cpu).unwrap();
    let none = |label: u32| Tensor::new(&[label; 2], &Device::Cpu).unwrap();
    let rows = |label| {
        let (same, none) = condition("condition", &weights, &none(label)).unwrap();
        assert_eq!(
            same.to_vec2::<f32>().unwrap(),
            weights.to_vec2::<f32>().unwrap()
        );
        none.to_vec2::<f32>().unwrap()
    };
    assert_eq!(rows(1), [[0.0, 1.0]; 2]);
    assert_eq!(rows(2), [[0.0, 0.0]; 2]);
    let flat = weights.flatten_all().unwrap();
    let four = Tensor::new(&[2u32; 4], &Device::Cpu).unwrap();
    let error = condition("condition", &flat, &four).unwrap_err();
    assert!(matches!(error, Error::DType { .. }), "{error}");
    let error = condition("condition", &weights, &four).unwrap_err();
    assert!(matches!(error, Error::Shape { .. }), "{error}");
}
