//! Derivatives of perceptrons along several directions, with and without a graph, against differences.

use advect_core::testing::device;
use advect_core::{Error, Generator};
use advect_ops::{Activation, mlp, mlp_tangents};
use candle_core::{DType, Device, Tensor, Var};

fn parameters(widths: &[usize], rng: &mut Generator) -> Vec<(Var, Var)> {
    let draw = |shape: &[usize], rng: &mut Generator| {
        Var::from_tensor(&(rng.normal(shape, DType::F64, device()).unwrap() * 0.5).unwrap())
            .unwrap()
    };
    (widths.windows(2))
        .map(|w| (draw(&[w[1], w[0]], rng), draw(&[w[1]], rng)))
        .collect()
}

fn close(a: &Tensor, b: &Tensor, tolerance: f64, what: &str) {
    assert_eq!(a.dims(), b.dims(), "{what}");
    if a.elem_count() > 0 {
        let wide = |x: &Tensor| x.to_dtype(DType::F64).unwrap();
        let error = (wide(a) - wide(b))
            .unwrap()
            .abs()
            .unwrap()
            .max_all()
            .unwrap();
        assert!(
            error.to_scalar::<f64>().unwrap() < tolerance,
            "{what}: {error}"
        );
    }
}

#[test]
fn values_and_derivatives_of_all_sizes() {
    let mut rng = Generator::from_seed(1);
    let sizes = [
        (0, 3, 1),
        (1, 1, 1),
        (5, 2, 2),
        (7, 3, 0),
        (33, 5, 3),
        (300, 4, 4),
        (700, 33, 2),
    ];
    for (rows, dim, count) in sizes {
        for activation in [
            Activation::Selu,
            Activation::Silu,
            Activation::Tanh,
            Activation::Identity,
        ] {
            let vars = parameters(&[dim + 1, 37, 20, dim], &mut rng);
            let layers: Vec<(&Tensor, &Tensor)> = vars
                .iter()
                .map(|(w, b)| (w.as_tensor(), b.as_tensor()))
                .collect();
            let mut draw = |shape: (usize, usize)| rng.normal(shape, DType::F64, device()).unwrap();
            let (x, t) = (draw((rows, dim)), draw((1, 1)));
            let directions: Vec<Tensor> = (0..count).map(|_| draw((rows, dim))).collect();
            let what = format!("{rows} x {dim}, {count} directions, {activation:?}");
            let (tracked, tracked_along) =
                mlp_tangents(&[&x, &t], &directions, &layers, activation).unwrap();
            assert!(tracked.track_op() && tracked_along.iter().all(|a| a.track_op()));
            for dtype in [DType::F64, DType::F32, DType::BF16] {
                // On the CPU, as candle converts nothing without elements elsewhere.
                let cast = |x: &Tensor| {
                    let x = x.detach().to_device(&Device::Cpu).unwrap();
                    x.to_dtype(dtype).unwrap().to_device(device()).unwrap()
                };
                let frozen: Vec<(Tensor, Tensor)> =
                    layers.iter().map(|(w, b)| (cast(w), cast(b))).collect();
                let frozen: Vec<(&Tensor, &Tensor)> = frozen.iter().map(|(w, b)| (w, b)).collect();
                let directions: Vec<Tensor> = directions.iter().map(cast).collect();
                let (y, along) =
                    mlp_tangents(&[&cast(&x), &cast(&t)], &directions, &frozen, activation)
                        .unwrap();
                let tolerance = match dtype {
                    DType::F64 => 1e-10,
                    DType::F32 => 1e-2,
                    _ => continue,
                };
                close(&y, &tracked, tolerance, &what);
                assert_eq!(along.len(), count);
                for (a, b) in along.iter().zip(&tracked_along) {
                    close(a, b, tolerance, &what);
                }
            }
            let h = 1e-5;
            for (direction, along) in directions.iter().zip(&tracked_along) {
                let at = |h: f64| {
                    let x = (&x + (direction * h).unwrap()).unwrap();
                    mlp(&[&x, &t], &layers, activation).unwrap()
                };
                let difference = ((at(h) - at(-h)).unwrap() / (2.0 * h)).unwrap();
                // SELU has a kink.
                let tolerance = if activation == Activation::Selu {
                    1.0
                } else {
                    1e-6
                };
                close(along, &difference, tolerance, &what);
            }
        }
    }
}

/// A loss of derivatives has gradients in all parameters, those of finite differences.
#[test]
fn derivatives_are_differentiable() {
    let mut rng = Generator::from_seed(2);
    let vars = parameters(&[3, 9, 2], &mut rng);
    let layers: Vec<(&Tensor, &Tensor)> = vars
        .iter()
        .map(|(w, b)| (w.as_tensor(), b.as_tensor()))
        .collect();
    let x = rng.normal((6, 3), DType::F64, device()).unwrap();
    let directions: Vec<Tensor> = (0..2).map(|_| rng.normal_like(&x).unwrap()).collect();
    let loss = || {
        let (y, along) = mlp_tangents(&[&x], &directions, &layers, Activation::Silu).unwrap();
        let cubes = (along[0].sqr().unwrap() * &along[1]).unwrap();
        (cubes.sum_all().unwrap() + y.sum_all().unwrap()).unwrap()
    };
    let gradients = loss().backward().unwrap();
    for v in vars.iter().flat_map(|(w, b)| [w, b]) {
        let gradient = gradients
            .get(v)
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1::<f64>()
            .unwrap();
        let original = v.as_tensor().copy().unwrap();
        let values: Vec<f64> = original.flatten_all().unwrap().to_vec1().unwrap();
        for i in [0, values.len() - 1] {
            let at = |h: f64| {
                let mut moved = values.clone();
                moved[i] += h;
                v.set(&Tensor::from_vec(moved, original.shape(), device()).unwrap())
                    .unwrap();
                let loss = loss().to_scalar::<f64>().unwrap();
                v.set(&original).unwrap();
                loss
            };
            let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
            assert!((gradient[i] - difference).abs() < 1e-6 * (1.0 + difference.abs()));
        }
    }
}

#[test]
fn directions_that_don_t_fit_are_refused() {
    let mut rng = Generator::from_seed(3);
    let vars = parameters(&[3, 3], &mut rng);
    let layers = [(vars[0].0.as_tensor(), vars[0].1.as_tensor())];
    let x = Tensor::zeros((2, 3), DType::F64, device()).unwrap();
    let narrow = x.narrow(0, 0, 1).unwrap();
    let result = mlp_tangents(&[&x], &[narrow], &layers, Activation::Tanh);
    assert!(matches!(result, Err(Error::Shape { argument, .. }) if argument == "directions"));
}
