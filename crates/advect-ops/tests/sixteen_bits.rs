//! Tensors of 16 bits: sums, squares and exponentials on the way are made in 32.

use advect_core::Coefficient::PerSample;
use advect_core::testing::{assert_close, device};
use advect_ops::{
    Activation, Dual, Value, add_gated, combine, linear, scale_samples, squared_errors,
};
use candle_core::{DType, Tensor, Var};

const HALVES: [DType; 2] = [DType::BF16, DType::F16];

fn full(value: f64, shape: &[usize], dtype: DType) -> Var {
    let x = Tensor::full(value, shape, device()).unwrap();
    Var::from_tensor(&x.to_dtype(dtype).unwrap()).unwrap()
}

fn numbers(x: &Tensor) -> Vec<f64> {
    let x = x.to_dtype(DType::F64).unwrap().flatten_all().unwrap();
    x.to_vec1().unwrap()
}

/// 4,096 ones, whose sum ends at 256 in bf16 and at 2,048 in f16.
#[test]
fn gradients_of_what_is_shared_are_whole_sums() {
    for dtype in HALVES {
        let (w, bias) = (full(0.0, &[2, 8], dtype), full(0.0, &[2], dtype));
        let x = full(1.0, &[4096, 8], dtype);
        let y = linear(x.as_tensor(), &w, Some(&bias), Activation::Identity).unwrap();
        let gradients = y.sum_all().unwrap().backward().unwrap();
        assert_eq!(numbers(gradients.get(&bias).unwrap()), [4096.0; 2]);

        let (x, h) = (
            full(0.0, &[1, 4096, 2], dtype),
            full(1.0, &[1, 4096, 2], dtype),
        );
        let gate = full(0.5, &[1, 2], dtype);
        let y = add_gated(x.as_tensor(), h.as_tensor(), gate.as_tensor()).unwrap();
        let gradients = y.sum_all().unwrap().backward().unwrap();
        assert_eq!(numbers(gradients.get(&gate).unwrap()), [4096.0; 2]);

        let factors = full(1.0, &[1], dtype);
        let y = scale_samples(h.as_tensor(), factors.as_tensor()).unwrap();
        assert_eq!(y.dtype(), dtype);
        let gradients = y.sum_all().unwrap().backward().unwrap();
        assert_eq!(numbers(gradients.get(&factors).unwrap()), [8192.0]);
    }
}

/// By the values and slopes in f64.
#[test]
fn activations_are_rounded_once() {
    let points = [-30.0, -8.0, -6.0, -3.0, -0.5, 0.0, 0.5, 3.0, 300.0];
    for dtype in HALVES {
        let tolerance = if dtype == DType::BF16 { 8e-3 } else { 1e-3 };
        for activation in Activation::ALL {
            let run = |dtype: DType| {
                let x = Tensor::new(&points, device()).unwrap();
                let x = Var::from_tensor(&x.to_dtype(dtype).unwrap()).unwrap();
                let y = activation.apply(x.as_tensor()).unwrap();
                let gradients = y.sum_all().unwrap().backward().unwrap();
                let along = Dual::new(x.as_detached_tensor(), x.ones_like().unwrap()).unwrap();
                let along = activation.apply(&along).unwrap();
                let gradient = gradients.get(&x).unwrap();
                [&y, gradient, along.tangent().unwrap()].map(|x| x.to_dtype(DType::F64).unwrap())
            };
            for (ours, exact) in run(dtype).iter().zip(run(DType::F64)) {
                // Below what 16 bits hold.
                assert_close(ours, &exact, tolerance, 1e-7);
            }
        }
    }
}

#[test]
fn derivatives_of_squares_are_whole() {
    let x = full(300.0, &[1, 1], DType::F16).as_detached_tensor();
    let dual = Dual::new(x.clone(), x.clone()).unwrap();
    let zero = Dual::constant(x.zeros_like().unwrap());
    let y = squared_errors(&dual, &zero).unwrap();
    assert_eq!(numbers(y.primal()), [90_000.0]);
    assert_eq!(numbers(y.tangent().unwrap()), [180_000.0]);
}

#[test]
fn no_samples_with_factors_are_no_samples() {
    for dtype in [DType::F32, DType::BF16] {
        let x = Tensor::zeros((0, 2), dtype, device()).unwrap();
        let y = combine(&[(PerSample(vec![]), &x)]).unwrap();
        assert_eq!((y.dims(), y.dtype()), (&[0, 2][..], dtype));
    }
}
