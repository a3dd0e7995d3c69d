//! Arguments that don't fit are typed errors before any kernel runs; 16 bits and infinities are not.

use advect_core::Coefficient::{PerSample, Shared};
use advect_core::testing::device;
use advect_core::{Error, Key, Result};
use advect_ops::update::{AdamWRates, adamw, average};
use advect_ops::*;
use candle_core::{DType, Tensor, Var};

fn zeros(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape, DType::F32, device()).unwrap()
}

#[track_caller]
fn refuses<T>(result: Result<T>, name: &str) {
    match result {
        Err(
            Error::Shape { argument, .. }
            | Error::DType { argument, .. }
            | Error::Range { argument, .. }
            | Error::Empty { argument },
        ) => {
            assert_eq!(argument, name);
        }
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("accepted"),
    }
}

#[test]
fn shapes_and_dtypes() {
    let (x, w, b) = (zeros(&[5, 3]), zeros(&[4, 3]), zeros(&[4]));
    let double = x.to_dtype(DType::F64).unwrap();
    let integers = x.to_dtype(DType::U32).unwrap();
    let id = Activation::Identity;
    refuses(linear(&x, &zeros(&[4, 2]), None, id), "x");
    refuses(linear(&x, &zeros(&[4]), None, id), "weight");
    refuses(linear(&x, &w, Some(&zeros(&[3])), id), "bias");
    refuses(linear(&double, &w, None, id), "x");
    refuses(linear(&integers, &w, None, id), "x");
    refuses(linear(&zeros(&[]), &w, None, id), "x");
    refuses(linear_transposed(&x, &w, None, id), "x");
    refuses(linear_transposed(&zeros(&[5, 4]), &w, Some(&b), id), "bias");
    refuses(linear_transposed(&x, &zeros(&[3]), None, id), "weight");
    refuses(mlp::<Tensor>(&[], &[(&w, &b)], id), "parts or layers");
    refuses(mlp(&[&x, &zeros(&[2, 1])], &[(&w, &b)], id), "parts");
    refuses(mlp(&[&x], &[(&w, &b), (&w, &b)], id), "weight");
    refuses(softmax(&zeros(&[])), "x");
    refuses(softmax(&integers), "x");
    let (s3, s2) = (zeros(&[3]), zeros(&[2]));
    refuses(layer_norm(&x, &s2, &s3, 1e-5), "scale");
    refuses(layer_norm(&x, &s3, &s2, 1e-5), "shift");
    refuses(layer_norm(&x, &s3, &s3, -1.0), "epsilon");
    refuses(layer_norm(&x, &s3, &s3, f64::NAN), "epsilon");
    refuses(rms_norm(&x, &zeros(&[4, 3]), 0.0), "scale");
    refuses(shifted_rms_norm(&x, &s3, &s2, 0.0), "shift");
    refuses(add_gated(&x, &zeros(&[5, 2]), &s3), "h");
    refuses(add_gated(&x, &x, &s2), "gate");
    refuses(add_gated(&x, &x, &zeros(&[4, 3])), "gate");
    refuses(add_gated(&integers, &integers, &s3), "x");
    let (tokens, table) = (zeros(&[2, 3, 2, 4]), zeros(&[3, 2]));
    refuses(rotary(&x, &table, &table), "x");
    refuses(rotary(&zeros(&[2, 3, 2, 5]), &table, &table), "x");
    refuses(rotary(&tokens, &zeros(&[2, 2]), &table), "cosines");
    refuses(rotary(&tokens, &table, &zeros(&[3, 4])), "sines");
    for p in [-0.1, 1.5, f64::NAN] {
        refuses(dropout(&x, p, Key::from_seed(0)), "probability");
    }
    refuses(dropout(&integers, 0.5, Key::from_seed(0)), "x");
    refuses(token_attention(&x, 1, HeadOrder::ByRole), "qkv");
    refuses(
        token_attention(&zeros(&[1, 2, 9]), 2, HeadOrder::ByRole),
        "qkv",
    );
    refuses(group_norm(&x, 2, &s3, &s3, 0.0, id), "groups");
    refuses(group_norm(&x, 0, &s3, &s3, 0.0, id), "groups");
    refuses(group_norm(&s3, 1, &s3, &s3, 0.0, id), "x");
    refuses(group_norm(&x, 1, &s2, &s3, 0.0, id), "scale");
    let heads = zeros(&[1, 2, 3, 4]);
    refuses(attention(&x, &heads, &heads, None), "q");
    refuses(attention(&heads, &zeros(&[1, 2, 3, 5]), &heads, None), "k");
    refuses(attention(&heads, &heads, &zeros(&[1, 2, 4, 4]), None), "v");
    refuses(
        attention(&heads, &zeros(&[1, 2, 0, 4]), &zeros(&[1, 2, 0, 4]), None),
        "k",
    );
    refuses(
        attention(&heads, &heads, &heads, Some(&zeros(&[3, 2]))),
        "mask",
    );
    refuses(upsample_nearest(&x, 2), "x");
    refuses(upsample_nearest(&heads, 0), "factor");
    refuses(avg_pool(&heads, 2), "x");
    refuses(combine::<Tensor>(&[]), "terms");
    refuses(combine(&[(Shared(1.0), &x), (Shared(1.0), &w)]), "x");
    refuses(combine(&[(PerSample(vec![1.0; 4]), &x)]), "coefficient");
    refuses(scale_samples(&x, &s3), "factors");
    let (w, b, b3) = (zeros(&[4, 2]), zeros(&[4]), zeros(&[3]));
    let net = |layers| Perceptron::new(layers, Activation::Relu);
    refuses(net(vec![]), "layers");
    refuses(net(vec![(w.clone(), b3)]), "bias");
    refuses(
        net(vec![(w.clone(), b.clone()), (w.clone(), b.clone())]),
        "weight",
    );
    let two = net(vec![(w.clone(), b)]).unwrap();
    refuses(two.apply(&[&zeros(&[5, 3])]), "weight");
    refuses(two.apply(&[&zeros(&[5, 1]), &zeros(&[4, 1])]), "parts");
    refuses(squared_errors(&x, &zeros(&[4, 2])), "y");
    refuses(squared_errors(&zeros(&[0, 2]), &zeros(&[0, 2])), "x");
    refuses(sinusoids(&x, &[1.0]), "t");
    refuses(sinusoids(&s3, &[]), "frequencies");
    refuses(scaled_error(&x, &w, &x, 1.0, 1.0), "x");
    refuses(
        scaled_error(&zeros(&[0]), &zeros(&[0]), &zeros(&[0]), 1.0, 1.0),
        "error",
    );
    refuses(squared_distances(&x, &zeros(&[5, 2])), "y");
    refuses(Dual::new(x.clone(), w.clone()), "tangent");
}

#[test]
fn updates_refuse_what_does_not_fit_and_share_no_memory() {
    let rates = AdamWRates {
        decay: 0.5,
        rate: 0.0,
        correction: 1.0,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
    };
    let var = |x: &[f64]| Var::new(x, device()).unwrap();
    let (theta, m, v) = (var(&[2.0, 4.0]), var(&[0.0, 0.0]), var(&[0.0, 0.0]));
    refuses(adamw(&theta, &m, &v, &zeros(&[2]), &rates), "gradient");
    refuses(
        adamw(&theta, &m, &var(&[0.0]), theta.as_tensor(), &rates),
        "second",
    );
    assert_eq!(theta.to_vec1::<f64>().unwrap(), [2.0, 4.0]);
    // A gradient that is the parameter itself.
    adamw(&theta, &m, &v, theta.as_tensor(), &rates).unwrap();
    assert_eq!(theta.to_vec1::<f64>().unwrap(), [1.0, 2.0]);
    average(&theta, &theta, 0.5).unwrap();
    assert_eq!(theta.to_vec1::<f64>().unwrap(), [1.0, 2.0]);
    refuses(average(&theta, &var(&[0.0]), 0.5), "value");
}

#[test]
fn sixteen_bits_are_composed() {
    for dtype in [DType::BF16, DType::F16] {
        let x = Tensor::ones((2, 4, 6, 6), dtype, device()).unwrap();
        let c = Tensor::ones(4, dtype, device()).unwrap();
        let w = Tensor::ones((3, 6), dtype, device()).unwrap();
        let id = Activation::Silu;
        let tensors = [
            group_norm(&x, 2, &c, &c, 1e-3, id).unwrap(),
            layer_norm(&x, &w.get(0).unwrap(), &w.get(0).unwrap(), 1e-3).unwrap(),
            attention(&x, &x, &x, None).unwrap(),
            softmax(&x).unwrap(),
            upsample_nearest(&x, 2).unwrap(),
            avg_pool(&x, 2).unwrap(),
            linear(&x, &w, None, id).unwrap(),
            combine(&[(Shared(2.0), &x)]).unwrap(),
        ];
        for y in tensors {
            assert_eq!(y.dtype(), dtype);
            let y = y
                .to_dtype(DType::F64)
                .unwrap()
                .flatten_all()
                .unwrap()
                .to_vec1::<f64>()
                .unwrap();
            assert!(y.iter().all(|y| y.is_finite()));
        }
    }
}

#[test]
fn nan_goes_through_and_infinities_do_no_harm() {
    let x = Tensor::new(
        &[
            [1.0f32, f32::NAN, 3.0],
            [1.0, f32::INFINITY, f32::NEG_INFINITY],
        ],
        device(),
    )
    .unwrap();
    let s = Tensor::ones(3, DType::F32, device()).unwrap();
    let nan = |y: Tensor, row: usize| y.to_vec2::<f32>().unwrap()[row].iter().all(|y| y.is_nan());
    assert!(nan(softmax(&x).unwrap(), 0));
    assert!(nan(layer_norm(&x, &s, &s, 1e-5).unwrap(), 0));
    assert!(nan(layer_norm(&x, &s, &s, 1e-5).unwrap(), 1));
    assert!(nan(rms_norm(&x, &s, 1e-5).unwrap(), 0));
    assert!(nan(
        linear(
            &x,
            &Tensor::ones((2, 3), DType::F32, device()).unwrap(),
            None,
            Activation::Silu
        )
        .unwrap(),
        0
    ));
    assert!(scaled_error(&x, &x, &x, 1.0, 1.0).unwrap().rms().is_nan());
    let large = Tensor::full(1e30f32, (2, 3), device()).unwrap();
    let far = squared_distances(&large, &(&large * 2.0).unwrap()).unwrap();
    assert!(far.iter().all(|c| (c / 3e60 - 1.0).abs() < 1e-6));
}
