//! Convolutions against plain loops in f64, finite differences, and the identity of adjoints, over shapes, strides, paddings,
//! dilations and groups.

use crate::contract;
use crate::contract::{Case, check_values, check_views, normal};
use advect_core::testing::{assert_close, device, gradient};
use advect_core::{Error, Result};
use advect_ops::{
    Convolution, Dual, Value, conv1d, conv1d_onto, conv2d, conv2d_gradients, conv2d_onto,
};
use candle_core::{DType, Device, Tensor, Var};
use proptest::prelude::*;

fn elements(x: &Tensor) -> Vec<f64> {
    let x = x.flatten_all().unwrap().to_dtype(DType::F64).unwrap();
    x.to_vec1().unwrap()
}

/// Sum by sum.
fn naive(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, c: &Convolution) -> Tensor {
    let (&[b, channels, h, w], &[outputs, inputs, kh, kw]) = (x.dims(), weight.dims()) else {
        panic!()
    };
    let out = |side: usize, size: usize, kernel: usize| {
        (size + 2 * c.padding[side] - c.dilation[side] * (kernel - 1) - 1) / c.stride[side] + 1
    };
    let (oh, ow) = (out(0, h, kh), out(1, w, kw));
    let (x, weight) = (elements(x), elements(weight));
    let bias = bias.map_or(vec![0.0; outputs], elements);
    let mut y = Vec::new();
    for b in 0..b {
        for o in 0..outputs {
            let group = o / (outputs / c.groups);
            for oy in 0..oh {
                for ox in 0..ow {
                    let mut sum = bias[o];
                    for ci in 0..inputs {
                        for i in 0..kh {
                            for j in 0..kw {
                                let iy = (oy * c.stride[0] + i * c.dilation[0])
                                    .checked_sub(c.padding[0]);
                                let ix = (ox * c.stride[1] + j * c.dilation[1])
                                    .checked_sub(c.padding[1]);
                                if let (Some(iy), Some(ix)) = (iy, ix)
                                    && iy < h
                                    && ix < w
                                {
                                    let channel = group * inputs + ci;
                                    sum += weight[((o * inputs + ci) * kh + i) * kw + j]
                                        * x[((b * channels + channel) * h + iy) * w + ix];
                                }
                            }
                        }
                    }
                    y.push(sum);
                }
            }
        }
    }
    Tensor::from_vec(y, (b, outputs, oh, ow), device()).unwrap()
}

fn dot(a: &Tensor, b: &Tensor) -> f64 {
    elements(a)
        .iter()
        .zip(elements(b))
        .map(|(a, b)| a * b)
        .sum()
}

/// Values in both dtypes and as a composition, gradients by `⟨dx, u⟩ = ⟨dy, conv(u, w)⟩` and its like for the weight, the derivative forwards.
fn check(x: &Tensor, weight: &Tensor, c: &Convolution) {
    let bias = normal(9, &[weight.dims()[0]]);
    let expected = naive(x, weight, Some(&bias), c);
    let ours = conv2d(x, weight, Some(&bias), c).unwrap();
    let size = elements(&expected).iter().fold(1f64, |m, v| m.max(v.abs()));
    assert_close(&ours, &expected, 0.0, 1e-12 * size);
    let single = |x: &Tensor| x.to_dtype(DType::F32).unwrap();
    let ours = conv2d(&single(x), &single(weight), Some(&single(&bias)), c).unwrap();
    assert_close(
        &ours.to_dtype(DType::F64).unwrap(),
        &expected,
        0.0,
        3e-5 * size,
    );
    let half = |x: &Tensor| x.to_dtype(DType::BF16).unwrap();
    let ours = conv2d(&half(x), &half(weight), Some(&half(&bias)), c).unwrap();
    assert_close(
        &ours.to_dtype(DType::F64).unwrap(),
        &expected,
        0.0,
        0.05 * size,
    );

    let vars = [x, weight, &bias].map(|x| Var::from_tensor(x).unwrap());
    let [vx, vw, vb] = &vars;
    let y = conv2d(vx.as_tensor(), vw, Some(vb), c).unwrap();
    let dy = normal(5, y.dims());
    let grads = (&y * &dy).unwrap().sum_all().unwrap().backward().unwrap();
    let (u, v) = (normal(6, x.dims()), normal(7, weight.dims()));
    let scale = 1e-11 * size * (dy.elem_count() as f64).max(1.0);
    let close = |a: f64, b: f64| assert!((a - b).abs() <= scale, "{a} {b} {c:?}");
    if x.elem_count() > 0 {
        close(
            dot(grads.get(vx).unwrap(), &u),
            dot(&dy, &naive(&u, weight, None, c)),
        );
    }
    close(
        dot(grads.get(vw).unwrap(), &v),
        dot(&dy, &naive(x, &v, None, c)),
    );
    let sums = dy.sum(3).unwrap().sum(2).unwrap().sum(0).unwrap();
    assert_close(
        grads.get(vb).unwrap(),
        &sums,
        1e-12,
        1e-12 * dy.elem_count() as f64,
    );

    let dual = conv2d(
        &Dual::new(x.clone(), u.clone()).unwrap(),
        weight,
        Some(&bias),
        c,
    )
    .unwrap();
    assert_close(
        dual.tangent().unwrap(),
        &naive(&u, weight, None, c),
        0.0,
        1e-12 * size,
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn any_shape(
        batch in 0usize..4,
        (inputs, outputs, groups) in (1usize..5, 1usize..5, 1usize..4),
        (h, w) in (1usize..20, 1usize..20),
        (kh, kw) in (1usize..5, 1usize..5),
        (sh, sw) in (1usize..4, 1usize..4),
        (ph, pw) in (0usize..4, 0usize..4),
        (dh, dw) in (1usize..3, 1usize..3),
    ) {
        prop_assume!(h + 2 * ph > (kh - 1) * dh && w + 2 * pw > (kw - 1) * dw);
        let c = Convolution { stride: [sh, sw], padding: [ph, pw], dilation: [dh, dw], groups };
        let x = normal(1, &[batch, inputs * groups, h, w]);
        let weight = normal(2, &[outputs * groups, inputs, kh, kw]);
        if batch > 0 {
            check(&x, &weight, &c);
        } else {
            let y = conv2d(&x, &weight, None, &c).unwrap();
            prop_assert_eq!(y.dims()[0], 0);
        }
    }
}

/// Shapes large enough for several blocks, threads and parts of channels.
#[test]
fn large_shapes() {
    let strided = Convolution {
        stride: [2, 2],
        ..Convolution::padded(1)
    };
    for (shape, kernel, c) in [
        ([1, 3, 33, 31], [40, 3, 3, 3], Convolution::padded(1)),
        ([3, 70, 17, 19], [33, 70, 3, 3], Convolution::padded(1)),
        ([2, 48, 20, 21], [32, 48, 3, 3], strided),
        ([5, 64, 9, 11], [67, 64, 1, 1], Convolution::default()),
        ([1, 96, 40, 41], [80, 96, 1, 1], Convolution::default()),
        ([2, 20, 7, 8], [530, 20, 3, 3], Convolution::padded(1)),
        ([2, 530, 7, 9], [20, 530, 3, 3], Convolution::padded(1)),
    ] {
        // What lies in scratch memory, which the CPU's kernels have, must not matter.
        let nan = Tensor::full(f64::NAN, &[2, 600, 16, 16], &Device::Cpu).unwrap();
        let same = Convolution::padded(1);
        let [filling, _, _] = {
            let weight = nan.narrow(0, 0, 1).unwrap().narrow(1, 0, 144).unwrap();
            let weight = weight.reshape((16, 256, 3, 3)).unwrap();
            let nan = nan.narrow(1, 0, 256).unwrap();
            let dy = nan.narrow(1, 0, 16).unwrap();
            conv2d_gradients(&nan, &weight, &same, &dy).unwrap()
        };
        assert!(elements(&filling).iter().all(|x| x.is_nan()));
        let weight = (normal(2, &kernel) * 0.1).unwrap();
        check(&normal(1, &shape), &weight, &c);
    }
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let c = Convolution {
        stride: [2, 1],
        padding: [1, 2],
        dilation: [1, 2],
        groups: 2,
    };
    let (x, weight, bias) = (
        normal(1, &[2, 4, 5, 6]),
        normal(2, &[6, 2, 3, 2]),
        normal(3, &[6]),
    );
    let loss = |x: &Tensor, weight: &Tensor, bias: &Tensor| -> Result<Tensor> {
        Ok(conv2d(x, weight, Some(bias), &c)?.sqr()?.sum_all()?)
    };
    let vars = [&x, &weight, &bias].map(|x| Var::from_tensor(x).unwrap());
    let grads = loss(&vars[0], &vars[1], &vars[2])
        .unwrap()
        .backward()
        .unwrap();
    let number = |y: Result<Tensor>| Ok(y?.to_scalar::<f64>()?);
    let numeric = [
        gradient(|x| number(loss(x, &weight, &bias)), &x, 1e-3).unwrap(),
        gradient(|weight| number(loss(&x, weight, &bias)), &weight, 1e-3).unwrap(),
        gradient(|bias| number(loss(&x, &weight, bias)), &bias, 1e-3).unwrap(),
    ];
    let dy = (conv2d(&x, &weight, Some(&bias), &c).unwrap() * 2.0).unwrap();
    // Gradients without a graph are for the CPU alone.
    if !device().is_cpu() {
        let refused = conv2d_gradients(&x, &weight, &c, &dy);
        assert!(matches!(refused, Err(Error::Device { .. })));
    }
    let [x, weight, dy] = [x, weight, dy].map(|x| x.to_device(&Device::Cpu).unwrap());
    let walked = conv2d_gradients(&x, &weight, &c, &dy).unwrap();
    for ((var, numeric), walked) in vars.iter().zip(&numeric).zip(&walked) {
        assert_close(grads.get(var).unwrap(), numeric, 1e-6, 1e-6);
        assert_close(walked, grads.get(var).unwrap(), 0.0, 1e-12);
    }
    assert!(conv2d_gradients(&x, &weight, &c, &x).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Those of 3 × 3 with enough channels, which have an algorithm of their own.
    #[test]
    fn any_image_by_tiles(
        batch in 1usize..20,
        (inputs, outputs) in (16usize..40, 16usize..40),
        (h, w) in (1usize..14, 1usize..22),
        (ph, pw) in (0usize..3, 0usize..3),
    ) {
        prop_assume!(h + 2 * ph > 2 && w + 2 * pw > 2);
        let c = Convolution { padding: [ph, pw], ..Convolution::default() };
        check(&normal(1, &[batch, inputs, h, w]), &normal(2, &[outputs, inputs, 3, 3]), &c);
    }
}

/// The errors of F(4 × 4, 3 × 3) in f32 against f64, relative to the largest number.
#[test]
fn errors_in_32_bits_are_small() {
    let (x, weight) = (normal(1, &[4, 128, 16, 16]), normal(2, &[128, 128, 3, 3]));
    let (same, dy) = (Convolution::padded(1), normal(3, &[4, 128, 16, 16]));
    let single = |x: &Tensor| x.to_dtype(DType::F32).unwrap();
    let all = |x: &Tensor, weight: &Tensor, dy: &Tensor| {
        let vars = [x, weight].map(|x| Var::from_tensor(x).unwrap());
        let y = conv2d(vars[0].as_tensor(), &vars[1], None, &same).unwrap();
        let grads = (&y * dy).unwrap().sum_all().unwrap().backward().unwrap();
        let [dx, dw] = vars.each_ref().map(|x| grads.get(x).unwrap().clone());
        [y, dx, dw].map(|x| elements(&x.to_dtype(DType::F64).unwrap()))
    };
    let ours = all(&single(&x), &single(&weight), &single(&dy));
    let expected = all(&x, &weight, &dy);
    for (name, (ours, expected)) in ["y", "dx", "dw"].iter().zip(ours.iter().zip(&expected)) {
        let largest = expected.iter().fold(0f64, |m, v| m.max(v.abs()));
        let errors = ours
            .iter()
            .zip(expected)
            .map(|(a, b)| (a - b).abs() / largest);
        let (worst, sum) = errors.fold((0f64, 0.0), |(worst, sum), e| (worst.max(e), sum + e * e));
        let rms = (sum / ours.len() as f64).sqrt();
        println!("{name}: at most {worst:.1e}, {rms:.1e} in the mean square");
        assert!(worst < 2e-5 && rms < 2e-6, "{name}: {worst:e} {rms:e}");
    }
}

/// Onto what is there: the features of each channel, or another image.
#[test]
fn sums_begin_with_what_is_there() {
    let bias = normal(3, &[20]);
    for (x, weight, c) in [
        (
            normal(1, &[3, 18, 9, 8]),
            normal(2, &[20, 18, 3, 3]),
            Convolution::padded(1),
        ),
        (
            normal(1, &[3, 5, 7, 8]),
            normal(2, &[20, 5, 2, 3]),
            Convolution::default(),
        ),
    ] {
        let plain = conv2d(&x, &weight, Some(&bias), &c).unwrap();
        let (b, o, h, w) = plain.dims4().unwrap();
        for onto in [normal(4, &[b, o]), normal(4, &[b, o, h, w])] {
            let column = match onto.rank() {
                2 => onto.reshape((b, o, 1, 1)).unwrap(),
                _ => onto.clone(),
            };
            let expected = plain.broadcast_add(&column).unwrap();
            let y = conv2d_onto(&x, &weight, Some(&bias), &c, &onto).unwrap();
            assert_close(&y, &expected, 1e-11, 1e-11);

            let (vx, vo) = (
                Var::from_tensor(&x).unwrap(),
                Var::from_tensor(&onto).unwrap(),
            );
            let y = conv2d_onto(vx.as_tensor(), &weight, None, &c, vo.as_tensor()).unwrap();
            let dy = normal(5, y.dims());
            let grads = (y * &dy).unwrap().sum_all().unwrap().backward().unwrap();
            let (dx, d_onto) = (normal(6, x.dims()), normal(7, onto.dims()));
            let backwards =
                dot(grads.get(&vx).unwrap(), &dx) + dot(grads.get(&vo).unwrap(), &d_onto);
            for tangent in [Some(&dx), None] {
                let moving = match tangent {
                    Some(dx) => Dual::new(x.clone(), dx.clone()).unwrap(),
                    None => Dual::constant(x.clone()),
                };
                let onto = Dual::new(onto.clone(), d_onto.clone()).unwrap();
                let dual = conv2d_onto(&moving, &weight, Some(&bias), &c, &onto).unwrap();
                assert_close(dual.primal(), &expected, 1e-11, 1e-11);
                let forwards = dot(dual.tangent().unwrap(), &dy);
                let backwards = match tangent {
                    Some(_) => backwards,
                    None => dot(grads.get(&vo).unwrap(), &d_onto),
                };
                assert!((forwards - backwards).abs() < 1e-9 * backwards.abs().max(1.0));
            }
        }
        let wrong = normal(4, &[b, o + 1]);
        let error = conv2d_onto(&x, &weight, None, &c, &wrong);
        assert!(matches!(error, Err(Error::Shape { argument, .. }) if argument == "onto"));
    }
    let (x, weight) = (normal(1, &[2, 3, 9]), normal(2, &[4, 3, 1]));
    let plain = conv1d(&x, &weight, None, &Convolution::default()).unwrap();
    let y = conv1d_onto(&x, &weight, None, &Convolution::default(), &plain).unwrap();
    assert_close(&y, &(plain * 2.0).unwrap(), 1e-14, 1e-14);
}

#[test]
fn sequences_are_lines() {
    let (x, weight) = (normal(1, &[3, 4, 11]), normal(2, &[6, 2, 3]));
    let c = Convolution {
        stride: [9, 2],
        padding: [9, 1],
        dilation: [9, 2],
        groups: 2,
    };
    let y = conv1d(&x, &weight, None, &c).unwrap();
    let flat = Convolution {
        stride: [1, 2],
        padding: [0, 1],
        dilation: [1, 2],
        groups: 2,
    };
    let expected = naive(
        &x.unsqueeze(2).unwrap(),
        &weight.unsqueeze(2).unwrap(),
        None,
        &flat,
    );
    assert_close(&y, &expected.squeeze(2).unwrap(), 0.0, 1e-12);
}

/// The value for x, a weight, a bias and what it is added to.
struct Onto(Convolution);

impl Case for Onto {
    fn run<V: Value>(&self, x: &[V]) -> Result<V> {
        conv2d_onto(&x[0], x[1].primal(), Some(x[2].primal()), &self.0, &x[3])
    }

    fn plain(&self, x: &[Tensor]) -> Result<Tensor> {
        Ok((naive(&x[0], &x[1], Some(&x[2]), &self.0) + &x[3])?)
    }
}

#[test]
fn views_and_other_samples_change_nothing() {
    for channels in [3, 16] {
        let shapes = [
            &[2, 3, 8, 7][..],
            &[channels, 3, 3, 3],
            &[channels],
            &[2, channels, 8, 7],
        ];
        check_views(&Onto(Convolution::padded(1)), &contract::inputs(&shapes));
    }
    let shapes = [&[2, 16, 8, 7][..], &[16, 16, 3, 3], &[16], &[2, 16, 8, 7]];
    check_views(&Onto(Convolution::padded(1)), &contract::inputs(&shapes));
    check_values(
        &Onto(Convolution::padded(1)),
        &contract::inputs(&shapes),
        50.0,
    );
    let (x, weight) = (normal(1, &[2, 8, 16, 16]), normal(2, &[16, 8, 3, 3]));
    let c = Convolution::padded(1);
    let y = conv2d(&x, &weight, None, &c).unwrap();
    // A sample does not depend on the others.
    let alone = conv2d(&x.narrow(0, 1, 1).unwrap(), &weight, None, &c).unwrap();
    assert_close(&alone, &y.narrow(0, 1, 1).unwrap(), 0.0, 0.0);
    let without = conv2d(
        &normal(1, &[2, 8, 0, 3]),
        &weight,
        Some(&normal(3, &[16])),
        &c,
    )
    .unwrap_err();
    assert!(matches!(without, Error::Shape { .. }), "{without}");
}

#[test]
fn bad_input_is_a_typed_error() {
    let (x, weight) = (normal(1, &[2, 4, 5, 5]), normal(2, &[6, 4, 3, 3]));
    let shape = |r: Result<Tensor>, name: &str| match r {
        Err(Error::Shape { argument, .. }) => assert_eq!(argument, name),
        other => panic!("{other:?}"),
    };
    let plain = Convolution::default();
    shape(
        conv2d(&x.narrow(1, 0, 3).unwrap(), &weight, None, &plain),
        "weight",
    );
    shape(conv2d(&x.get(0).unwrap(), &weight, None, &plain), "x");
    shape(
        conv2d(&x.narrow(2, 0, 2).unwrap(), &weight, None, &plain),
        "x",
    );
    shape(conv2d(&x, &weight, Some(&normal(3, &[5])), &plain), "bias");
    shape(
        conv2d(&x, &weight, None, &Convolution { groups: 3, ..plain }),
        "weight",
    );
    shape(conv1d(&x, &weight, None, &plain), "x");
    let huge = Convolution {
        dilation: [usize::MAX, 1],
        ..plain
    };
    shape(conv2d(&x, &weight, None, &huge), "x");
    for bad in [
        Convolution {
            stride: [0, 1],
            ..plain
        },
        Convolution {
            dilation: [1, 0],
            ..plain
        },
        Convolution { groups: 0, ..plain },
    ] {
        assert!(matches!(
            conv2d(&x, &weight, None, &bad),
            Err(Error::Range { .. })
        ));
    }
    let single = weight.to_dtype(DType::F32).unwrap();
    assert!(matches!(
        conv2d(&x, &single, None, &plain),
        Err(Error::DType { .. })
    ));
}

/// Images without pixels have values where there is padding, and gradients of weights that are 0.
#[test]
fn images_without_pixels() {
    let (x, weight) = (normal(1, &[1, 16, 0, 2]), normal(2, &[16, 16, 3, 3]));
    let wide = Convolution::padded(2);
    let y = conv2d(&x, &weight, None, &wide).unwrap();
    assert_eq!(y.dims(), [1, 16, 2, 4]);
    assert_close(&y, &y.zeros_like().unwrap(), 0.0, 0.0);
    // Gradients without a graph are for the CPU alone.
    let [x, weight, y] = [x, weight, y].map(|x| x.to_device(&Device::Cpu).unwrap());
    let [dx, dw, _] = conv2d_gradients(&x, &weight, &wide, &y).unwrap();
    assert_eq!(dx.elem_count(), 0);
    assert!(elements(&dw).iter().all(|&w| w == 0.0));
    let huge = Convolution {
        padding: [1 << 40, 1 << 40],
        ..Convolution::default()
    };
    let one = normal(1, &[1, 1, 1, 1]);
    assert!(matches!(
        conv2d(&one, &one, None, &huge),
        Err(Error::Range { .. })
    ));
}
