//! Finite numbers whose results are finite, though squares or sums on the way are not.

use crate::contract::normal;
use advect_core::testing::{assert_close, device};
use advect_ops::{
    Activation, Convolution, Dual, Value, avg_pool, combine, conv2d, group_norm, layer_norm,
    rms_norm, softmax, squared_distances, update,
};
use candle_core::{DType, Tensor, Var};

fn wide(x: &Tensor) -> Tensor {
    x.to_dtype(DType::F64).unwrap()
}

/// The value, in f64 without Winograd's algorithm, and the gradients of x and the weight, for that of the value.
fn convolved(x: &Tensor, weight: &Tensor, dy: &Tensor) -> [Tensor; 3] {
    let (x, weight) = (
        Var::from_tensor(x).unwrap(),
        Var::from_tensor(weight).unwrap(),
    );
    let y = match x.dtype() {
        // In halves, which are too narrow for Winograd's algorithm: the sums that define a convolution.
        DType::F64 => {
            let halves = [0, 8].map(|first| {
                let (x, weight) = (
                    x.narrow(1, first, 8).unwrap(),
                    weight.narrow(1, first, 8).unwrap(),
                );
                conv2d(&x, &weight, None, &Convolution::padded(1)).unwrap()
            });
            (&halves[0] + &halves[1]).unwrap()
        }
        _ => conv2d(x.as_tensor(), &weight, None, &Convolution::padded(1)).unwrap(),
    };
    let grads = (&y * dy).unwrap().sum_all().unwrap().backward().unwrap();
    [
        y,
        grads.get(&x).unwrap().clone(),
        grads.get(&weight).unwrap().clone(),
    ]
}

/// Replaces an element.
fn with(x: &Tensor, place: usize, value: f32) -> Tensor {
    let mut values = x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    values[place] = value;
    Tensor::from_vec(values, x.shape(), x.device()).unwrap()
}

/// Numbers of one size, two thirds of them negative, the first of them at a place.
fn signs(first: usize) -> Tensor {
    let sign = |i: usize| {
        if (i + first).is_multiple_of(3) {
            1.0
        } else {
            -1.0
        }
    };
    let signs: Vec<f64> = (0..144).map(sign).collect();
    Tensor::from_vec(signs, (4, 6, 6), device()).unwrap()
}

fn not_finite(x: &Tensor) -> usize {
    let values = wide(x).flatten_all().unwrap().to_vec1::<f64>().unwrap();
    values.iter().filter(|x| !x.is_finite()).count()
}

/// Enough channels for Winograd's algorithm.
#[test]
fn large_and_missing_pixels_stay_where_they_are_seen() {
    let single = |seed, shape: &[usize]| normal(seed, shape).to_dtype(DType::F32).unwrap();
    let (x, weight, dy) = (
        (single(0, &[2, 16, 12, 12]) * 0.1).unwrap(),
        (single(1, &[16, 16, 3, 3]) * 0.01).unwrap(),
        (single(2, &[2, 16, 12, 12]) * 0.01).unwrap(),
    );
    // The fifth line and column of a channel of the second image.
    let pixel = (16 + 3) * 144 + 4 * 12 + 4;
    let plain = convolved(&x, &weight, &dy);
    for huge in [1e38, -3e38] {
        let cases = [
            (with(&x, pixel, huge), weight.clone(), dy.clone()),
            (x.clone(), weight.clone(), with(&dy, pixel, huge)),
        ];
        for (i, (x, weight, dy)) in cases.into_iter().enumerate() {
            let ours = convolved(&x, &weight, &dy);
            let exact = convolved(&wide(&x), &wide(&weight), &wide(&dy));
            for (ours, exact) in ours.iter().zip(&exact) {
                assert_eq!(not_finite(ours), 0, "{i} {huge}");
                // Where the pixel is not seen, numbers are as small as without it.
                assert_close(&wide(ours), exact, 1e-5, 1e-5);
            }
            // The first image is what it was.
            let first = |x: &Tensor| x.get(0).unwrap();
            for k in 0..2 {
                assert_close(&first(&ours[k]), &first(&plain[k]), 0.0, 0.0);
            }
        }
    }
    // One pixel without a value is seen by nine places of each channel.
    let ours = convolved(&with(&x, pixel, f32::NAN), &weight, &dy);
    assert_eq!(ours.each_ref().map(not_finite), [9 * 16, 0, 16 * 9]);
    let ours = convolved(&x, &weight, &with(&dy, pixel, f32::NAN));
    assert_eq!(ours.each_ref().map(not_finite), [0, 9 * 16, 16 * 9]);
}

/// Normalising numbers a factor larger gives the same, with gradients that factor smaller.
#[test]
fn norms_of_large_numbers() {
    type Norm = fn(&Tensor, &Tensor, &Tensor) -> advect_core::Result<Tensor>;
    let norms: [(&str, Norm, &[usize]); 4] = [
        ("layer", |x, a, b| layer_norm(x, a, b, 1e-5), &[6]),
        (
            "adaptive layer",
            |x, a, b| layer_norm(x, a, b, 1e-5),
            &[4, 6],
        ),
        ("rms", |x, a, _| rms_norm(x, a, 1e-5), &[6]),
        (
            "group",
            |x, a, b| group_norm(x, 3, a, b, 1e-5, Activation::Silu),
            &[6],
        ),
    ];
    for (name, norm, affine) in norms {
        for (dtype, x, factors, tolerance) in [
            (
                DType::F32,
                normal(1, &[4, 6, 6]),
                &[1e20, 1e30, 3e37][..],
                2e-5,
            ),
            (DType::F32, signs(0), &[3e38], 2e-5),
            (DType::F64, normal(1, &[4, 6, 6]), &[1e160, 1e300], 1e-12),
            (DType::F64, signs(0), &[1.5e308], 1e-12),
        ] {
            let to = |x: Tensor| x.to_dtype(dtype).unwrap();
            let (a, b, dy) = (
                to(normal(2, affine)),
                to(normal(3, affine)),
                to(normal(4, &[4, 6, 6])),
            );
            let run = |x: &Tensor| {
                let (x, a) = (Var::from_tensor(x).unwrap(), Var::from_tensor(&a).unwrap());
                let y = norm(x.as_tensor(), a.as_tensor(), &b).unwrap();
                let grads = (&y * &dy).unwrap().sum_all().unwrap().backward().unwrap();
                [
                    y,
                    grads.get(&a).unwrap().clone(),
                    grads.get(&x).unwrap().clone(),
                ]
                .map(|x| wide(&x))
            };
            // Large enough that ε is nothing.
            let base = 1e8;
            let expected = run(&to((&x * base).unwrap()));
            for &factor in factors {
                let ours = run(&to((&x * factor).unwrap()));
                for k in 0..2 {
                    assert_close(&ours[k], &expected[k], tolerance, tolerance);
                }
                let scaled = (&ours[2] * (factor / base)).unwrap();
                println!("{name} {factor}");
                assert_close(&scaled, &expected[2], tolerance, 10.0 * tolerance / base);
            }
            // Numbers that are all alike are their own mean.
            let alike = to(Tensor::full(1e30, (4, 6, 6), device()).unwrap());
            assert_eq!(
                run(&alike).iter().map(not_finite).sum::<usize>(),
                0,
                "{name}"
            );
        }
    }
}

/// The same in forward mode and in 16 bits, which have no kernels on the CPU.
#[test]
fn composed_norms_of_large_numbers() {
    fn norms<V: Value>(x: &V, a: &V) -> [V; 3] {
        let group = |x: &V| group_norm(x, 3, a, a, 1e-5, Activation::Tanh);
        [layer_norm(x, a, a, 1e-5), rms_norm(x, a, 1e-5), group(x)].map(Result::unwrap)
    }
    let ordinary = || [normal(1, &[4, 6, 6]), normal(2, &[4, 6, 6])];
    let extreme = || [signs(0), signs(1)];
    let a = normal(3, &[6]);
    for (dtype, [x, dx], factors, tolerance) in [
        (DType::F32, ordinary(), &[1.0, 1e20, 1e30, 3e37][..], 2e-5),
        (DType::F32, extreme(), &[3e38], 2e-5),
        (DType::F64, ordinary(), &[1.0, 1e160, 1e300], 1e-12),
        (DType::F64, extreme(), &[1.5e308], 1e-12),
        (DType::BF16, ordinary(), &[1.0, 1e20, 1e30], 5e-2),
        (DType::BF16, extreme(), &[3e38], 5e-2),
    ] {
        let run = |factor: f64| {
            let to = |x: &Tensor| (x * factor).unwrap().to_dtype(dtype).unwrap();
            let a = Dual::constant(a.to_dtype(dtype).unwrap());
            let along = Dual::new(to(&x), to(&dx)).unwrap();
            norms(&along, &a).map(|y| [wide(y.primal()), wide(y.tangent().unwrap())])
        };
        // Large enough that ε is nothing.
        let expected = run(1e8);
        for &factor in factors {
            let visible = if factor == 1.0 { 1e-3 } else { 0.0 };
            let ours = run(factor);
            for (ours, expected) in ours.iter().flatten().zip(expected.iter().flatten()) {
                assert_close(ours, expected, tolerance, tolerance + visible);
            }
        }
        let alike = Tensor::full(1e30, (4, 6, 6), device()).unwrap();
        let (alike, a) = (alike.to_dtype(dtype).unwrap(), a.to_dtype(dtype).unwrap());
        assert_eq!(norms(&alike, &a).iter().map(not_finite).sum::<usize>(), 0);
    }
}

#[test]
fn sums_of_16_bits() {
    let x = Tensor::zeros((1, 5000), DType::F16, device()).unwrap();
    let y = softmax(&x).unwrap();
    assert!(
        (wide(&y)
            .get(0)
            .unwrap()
            .get(7)
            .unwrap()
            .to_scalar::<f64>()
            .unwrap()
            * 5000.0
            - 1.0)
            .abs()
            < 1e-2
    );
    // A broadcast scalar.
    let y = softmax(
        &x.get(0)
            .unwrap()
            .get(0)
            .unwrap()
            .broadcast_as((2, 4))
            .unwrap(),
    )
    .unwrap();
    assert_close(
        &wide(&y),
        &Tensor::full(0.25, (2, 4), device()).unwrap(),
        0.0,
        0.0,
    );
    // Terms that fit, whose sum fits, but not every part of the sum.
    let x = Tensor::full(60_000f32, 3, device())
        .unwrap()
        .to_dtype(DType::F16)
        .unwrap();
    let y = combine(&[(1.0.into(), &x), (1.0.into(), &x), ((-1.5).into(), &x)]).unwrap();
    assert_eq!(wide(&y).to_vec1::<f64>().unwrap(), [30_000.0; 3]);
    // Norms and scales.
    assert!((update::norm(&[&x]).unwrap() / (60_000.0 * 3f64.sqrt()) - 1.0).abs() < 1e-3);
    let y = update::scale(&x, 1e-7).unwrap();
    assert!((wide(&y).to_vec1::<f64>().unwrap()[0] / 6e-3 - 1.0).abs() < 1e-3);
}

#[test]
fn norms_of_gradients() {
    for unit in [1e-310, 1e-200, 1.0, 1e200, 3e307] {
        let (x, y) = (
            Tensor::new(&[3.0 * unit], device()).unwrap(),
            Tensor::new(&[[4.0 * unit]], device()).unwrap(),
        );
        assert!(
            (update::norm(&[&x, &y]).unwrap() / (5.0 * unit) - 1.0).abs() < 1e-12,
            "{unit}"
        );
    }
    let norm = |x: f64| update::norm(&[&Tensor::new(&[x, 1.0], device()).unwrap()]).unwrap();
    assert!(norm(f64::NAN).is_nan() && norm(f64::INFINITY).is_infinite());
    assert_eq!(update::norm(&[]).unwrap().to_bits(), 0f64.to_bits());
}

#[test]
fn distances_of_large_numbers() {
    let at = |scale: f64| Tensor::new(&[[3.0 * scale, 0.0], [0.0, 4.0 * scale]], device()).unwrap();
    let distances = squared_distances(&at(1e160), &at(1e160)).unwrap();
    assert_eq!((distances[0], distances[3]), (0.0, 0.0));
    assert!(distances[1].is_infinite());
    let single = |x: Tensor| x.to_dtype(DType::F32).unwrap();
    let distances = squared_distances(&single(at(1e30)), &single(at(1e30))).unwrap();
    assert!((distances[1] / 25e60 - 1.0).abs() < 1e-6);
    // Points far apart in one direction, whose product alone overflows.
    let column = |values: &[f32]| Tensor::from_slice(values, (values.len(), 1), device()).unwrap();
    let rows = column(&[3e19, -1.5e19, -1.5e19]);
    let distances = squared_distances(&rows, &column(&[1.5e19])).unwrap();
    for (distance, expected) in distances.iter().zip([2.25e38, 9e38, 9e38]) {
        assert!((distance / expected - 1.0).abs() < 1e-6, "{distances:?}");
    }
    let distances = squared_distances(&at(f64::NAN), &at(1.0)).unwrap();
    assert!(distances.iter().all(|x| x.is_nan()));
}

#[test]
fn means_of_large_pixels() {
    for dtype in [DType::F32, DType::F64] {
        let large = if dtype == DType::F32 { 3e38 } else { 1.5e308 };
        for factor in [2, 3, 6] {
            let x = Tensor::full(large, (1, 1, 6, 6), device())
                .unwrap()
                .to_dtype(dtype)
                .unwrap();
            let y = avg_pool(&x, factor).unwrap();
            assert_close(
                &(wide(&y) / large).unwrap(),
                &wide(&y).ones_like().unwrap(),
                1e-6,
                0.0,
            );
        }
    }
}

/// Values, first and second derivatives far out.
#[test]
fn activations_far_out() {
    for dtype in [DType::F32, DType::F64] {
        let far = [50.0, 1e5, 1e20, 3e38, -50.0, -1e5, -1e20, -3e38];
        let x = Tensor::new(&far, device())
            .unwrap()
            .to_dtype(dtype)
            .unwrap();
        for activation in Activation::ALL {
            let var = Var::from_tensor(&x).unwrap();
            let dual = Dual::new(var.as_tensor().clone(), x.ones_like().unwrap()).unwrap();
            let slope = activation.apply(&dual).unwrap().tangent().unwrap().clone();
            let grads = slope.sum_all().unwrap().backward().unwrap();
            let curvature = grads.get(&var).unwrap();
            assert_eq!(
                not_finite(&slope) + not_finite(curvature),
                0,
                "{activation:?}"
            );
        }
    }
}
