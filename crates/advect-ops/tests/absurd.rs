//! Every operation with dtypes, shapes and sizes that make no sense: a value or a typed error, never a panic, forwards,
//! backwards and along a direction.

use std::panic::{AssertUnwindSafe, catch_unwind};

use advect_core::Coefficient::{PerSample, Shared};
use advect_core::testing::device;
use advect_core::{Error, Key, Result};
use advect_ops::update::{AdamWRates, adamw, average, norm, scale};
use advect_ops::*;
use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};

const HUGE: [usize; 5] = [1 << 20, 1 << 31, 1 << 40, 1 << 62, usize::MAX];

const SHAPES: [&[usize]; 24] = [
    &[],
    &[0],
    &[1],
    &[5],
    &[0, 3],
    &[3, 0],
    &[2, 3],
    &[1, 1],
    &[2, 3, 4],
    &[0, 3, 4],
    &[2, 0, 4],
    &[2, 3, 0],
    &[1, 6, 1],
    &[0, 0, 0],
    &[1, 3, 4, 4],
    &[0, 3, 4, 4],
    &[2, 0, 4, 4],
    &[2, 4, 0, 4],
    &[2, 4, 4, 0],
    &[1, 1, 1, 1],
    &[0, 0, 0, 0],
    &[2, 16, 6, 7],
    &[1, 2, 1, 2, 1],
    &[1, 1, 1, 1, 1, 1, 1],
];

/// A tensor of one number. It is made on the CPU, as candle can't make one without elements elsewhere.
fn full(number: f64, shape: &[usize], dtype: DType) -> Tensor {
    let full = Tensor::full(number, shape, &Device::Cpu).unwrap();
    full.to_dtype(dtype).unwrap().to_device(device()).unwrap()
}

/// The gradients of a sum, or nothing where candle can't compute them: of no elements, on other devices than the CPU.
fn gradients(y: &Tensor) -> Option<Result<GradStore>> {
    if y.elem_count() == 0 && !y.device().is_cpu() {
        return None;
    }
    Some(y.sum_all().unwrap().backward().map_err(Error::from))
}

/// A tensor of a shape: contiguous, all elements one number in memory, transposed, and a part of a larger one.
fn tensors(shape: &[usize], dtype: DType) -> Vec<Tensor> {
    let ones = |shape: &[usize]| full(1.0, shape, dtype);
    let mut all = vec![ones(shape), ones(&[]).broadcast_as(shape).unwrap()];
    if shape.len() > 1 {
        let last = shape.len() - 1;
        let mut swapped = shape.to_vec();
        swapped.swap(0, last);
        all.push(ones(&swapped).transpose(0, last).unwrap());
        let mut wide = shape.to_vec();
        wide[last] += 3;
        all.push(ones(&wide).narrow(last, 2, shape[last]).unwrap());
    }
    all
}

/// Parameters for x, whether or not they can fit.
fn like(x: &Tensor, shape: &[usize]) -> Tensor {
    full(0.5, shape, x.dtype())
}

/// All operations of values.
fn values<V: Value>(x: &V) -> Vec<(String, Result<V>)> {
    let p = x.primal();
    let dim = |i: usize| p.dims().get(i).copied().unwrap_or(1);
    let last = p.dims().last().copied().unwrap_or(1);
    let constant = |shape: &[usize]| V::constant(like(p, shape));
    let mut out = Vec::new();
    let mut add = |name: String, y: Result<V>| out.push((name, y));
    for activation in Activation::ALL {
        add(format!("{activation:?}"), activation.apply(x));
    }
    for outputs in [0, 1, 3, 40] {
        let (weight, bias) = (like(p, &[outputs, last]), like(p, &[outputs]));
        for bias in [None, Some(&bias)] {
            let y = linear(x, &weight, bias, Activation::Gelu);
            add(format!("linear to {outputs}"), y);
            let y = linear_transposed(x, &like(p, &[last, outputs]), bias, Activation::Gelu);
            add(format!("transposed to {outputs}"), y);
        }
        let (next, end) = (like(p, &[2, outputs]), like(p, &[2]));
        let layers = [(&weight, &bias), (&next, &end)];
        add(
            format!("mlp {outputs}"),
            mlp(&[x], &layers, Activation::Silu),
        );
        let (none, nothing) = (like(p, &[0, outputs]), like(p, &[0]));
        let layers = [(&weight, &bias), (&none, &nothing)];
        add(
            format!("mlp {outputs} to 0"),
            mlp(&[x], &layers, Activation::Silu),
        );
        let layers = layers.map(|(w, b)| (w.clone(), b.clone())).to_vec();
        let net = Perceptron::new(layers, Activation::Tanh);
        add(
            format!("perceptron {outputs}"),
            net.and_then(|net| net.apply(&[x])),
        );
    }
    for hidden in [0, 1, last / 3] {
        let (weight, bias) = (like(p, &[3 * hidden, hidden]), like(p, &[3 * hidden]));
        let y = gated_recurrence(x, &constant(&[dim(0), hidden]), &weight, &bias);
        add(format!("gated_recurrence {hidden}"), y);
    }
    let rows = &p.dims()[..p.dims().len().saturating_sub(1)];
    for (shape, place) in [(rows, 0), (rows, last), (p.dims(), 0)] {
        let chosen = Tensor::full(place as u32, shape, p.device());
        if let Ok(chosen) = chosen {
            add(
                format!("log_softmax_at {place}"),
                log_softmax_at(x, &chosen),
            );
        }
    }
    for affine in [vec![last], vec![dim(0), last]] {
        let affine = constant(&affine);
        add("layer_norm".into(), layer_norm(x, &affine, &affine, 1e-5));
        add("rms_norm".into(), rms_norm(x, &affine, 0.0));
        let y = shifted_rms_norm(x, &affine, &affine, 1e-5);
        add("shifted_rms_norm".into(), y);
        add("add_gated".into(), add_gated(x, x, &affine));
    }
    for groups in [0, 1, 2, usize::MAX] {
        for affine in [vec![dim(1)], vec![dim(0), dim(1)]] {
            let affine = constant(&affine);
            let y = group_norm(x, groups, &affine, &affine, 1e-5, Activation::Silu);
            add(format!("group_norm {groups}"), y);
        }
    }
    let table = constant(&[dim(1), dim(3) / 2]);
    add("rotary".into(), rotary(x, table.primal(), table.primal()));
    add("dropout".into(), dropout(x, 0.5, Key::from_seed(0)));
    add("softmax".into(), softmax(x));
    add("attention".into(), attention(x, x, x, None));
    let mask = like(p, &[dim(2), dim(2)]);
    add(
        "attention with a mask".into(),
        attention(x, x, x, Some(&mask)),
    );
    for heads in [0, 1, 2, 1 << 62, usize::MAX] {
        for order in [HeadOrder::ByHead, HeadOrder::ByRole] {
            add(
                format!("self_attention {heads}"),
                self_attention(x, heads, order),
            );
            add(
                format!("token_attention {heads}"),
                token_attention(x, heads, order),
            );
            add(
                format!("causal_token_attention {heads}"),
                causal_token_attention(x, heads, order),
            );
        }
    }
    for factor in [0, 1, 2].into_iter().chain(HUGE) {
        // What the machine may have room for is left alone.
        if !(1 << 20..=1 << 31).contains(&factor) {
            add(format!("upsample {factor}"), upsample_nearest(x, factor));
        }
        add(format!("avg_pool {factor}"), avg_pool(x, factor));
    }
    add("sinusoids".into(), sinusoids(x, &[1.0, 2.0]));
    add("no sinusoids".into(), sinusoids(x, &[]));
    let (shared, each) = (Shared(0.5), PerSample(vec![1.0; dim(0)]));
    add("combine".into(), combine(&[(shared, x), (each, x)]));
    add(
        "combine with others".into(),
        combine(&[(PerSample(vec![1.0; 7]), x)]),
    );
    add("combine nothing".into(), combine::<V>(&[]));
    add(
        "scale_samples".into(),
        scale_samples(x, &constant(&[dim(0)])),
    );
    add("squared_errors".into(), squared_errors(x, x));
    let mut convolutions = vec![Convolution::default(), Convolution::padded(1)];
    for huge in HUGE {
        let wide = |pair| Convolution {
            padding: pair,
            ..Convolution::default()
        };
        if huge > 1 << 31 {
            convolutions.extend([wide([huge, 1]), wide([1, huge]), wide([huge, huge])]);
        }
        let one = Convolution::padded(1);
        let (stride, dilation, groups) = ([huge, huge], [1, huge], huge);
        convolutions.extend([
            Convolution { stride, ..one },
            Convolution { dilation, ..one },
            Convolution { groups, ..one },
        ]);
    }
    for zero in [
        Convolution {
            groups: 0,
            ..Convolution::padded(1)
        },
        Convolution {
            stride: [0, 1],
            ..Convolution::padded(1)
        },
    ] {
        convolutions.push(zero);
    }
    for convolution in convolutions {
        for outputs in [0, 1, 16] {
            for kernel in [0, 1, 3] {
                let weight = like(p, &[outputs, dim(1), kernel, kernel]);
                let bias = like(p, &[outputs]);
                let y = conv2d(x, &weight, Some(&bias), &convolution);
                add(format!("conv2d {outputs} {kernel} {convolution:?}"), y);
                let y = conv2d_onto(x, &weight, None, &convolution, x);
                add(format!("conv2d_onto {outputs} {kernel}"), y);
                let weight = like(p, &[outputs, dim(1), kernel]);
                let y = conv1d(x, &weight, Some(&bias), &convolution);
                add(format!("conv1d {outputs} {kernel} {convolution:?}"), y);
                let y = conv1d_onto(x, &weight, None, &convolution, x);
                add(format!("conv1d_onto {outputs} {kernel}"), y);
            }
        }
    }
    out
}

/// What a result says: that it is a value, or which error.
fn kind<T>(result: &Result<T>) -> String {
    match result {
        Ok(_) => "a value".into(),
        Err(Error::Candle(e)) => format!("candle's {e}"),
        Err(e) => e.to_string(),
    }
}

/// Calls every operation in every way; collects panics and untyped errors.
fn faults(dtype: DType) -> Vec<String> {
    let mut faults = Vec::new();
    for shape in SHAPES {
        for (view, x) in tensors(shape, dtype).into_iter().enumerate() {
            let at = |what: &str| format!("{what} of {dtype:?} {shape:?}, view {view}");
            let mut check = |name: &str, call: &mut dyn FnMut() -> Vec<(String, String, bool)>| {
                match catch_unwind(AssertUnwindSafe(call)) {
                    Err(_) => faults.push(at(&format!("{name}: a panic"))),
                    Ok(results) => {
                        for (name, kind, value) in results {
                            if kind.starts_with("candle's") || (value && !dtype.is_float()) {
                                faults.push(at(&format!("{name}: {kind}")));
                            }
                        }
                    }
                }
            };
            check("values", &mut || {
                let all = values(&x).into_iter();
                all.map(|(name, y)| (name, kind(&y), y.is_ok())).collect()
            });
            check("along", &mut || {
                let dual = Dual::new(x.clone(), x.clone()).unwrap();
                let all = values(&dual).into_iter();
                all.map(|(name, y)| (format!("{name} along"), kind(&y), y.is_ok()))
                    .collect()
            });
            if dtype.is_float() {
                check("gradients", &mut || {
                    // Candle adds up gradients without elements on the CPU alone.
                    if x.elem_count() == 0 && !device().is_cpu() {
                        return vec![];
                    }
                    let var = Var::from_tensor(&x).unwrap();
                    // A view of a variable, of the same kind.
                    let moved = (var.as_tensor() * 2.0).unwrap();
                    let all = values(&moved).into_iter().filter_map(|(name, y)| {
                        let grads = gradients(&y.ok()?)?;
                        Some((format!("{name} backwards"), kind(&grads), true))
                    });
                    all.collect()
                });
                // Gradients of parameters without inputs or outputs.
                check("gradients of parameters", &mut || {
                    let last = x.dims().last().copied().unwrap_or(1);
                    let mut all = Vec::new();
                    for outputs in [0, 3] {
                        let weight = Var::from_tensor(&like(&x, &[outputs, last])).unwrap();
                        let y = linear(&x, &weight, None, Activation::Silu);
                        if let Some(grads) = y.ok().and_then(|y| gradients(&y)) {
                            all.push((format!("linear {outputs} backwards"), kind(&grads), true));
                        }
                    }
                    all
                });
            }
            check("numbers", &mut || {
                let mut all = vec![];
                let mut add =
                    |name: &str, kind: String, value| all.push((name.into(), kind, value));
                let y = scaled_error(&x, &x, &x, 1e-3, 1e-6);
                add("scaled_error", kind(&y), y.is_ok());
                let y = scaled_errors(&x, &x, &x, 1e-3, 0.0);
                add("scaled_errors", kind(&y), y.is_ok());
                let y = squared_distances(&x, &x);
                add("squared_distances", kind(&y), y.is_ok());
                let y = norm(&[&x, &x]);
                add("norm", kind(&y), y.is_ok());
                let y = scale(&x, 1e300);
                add("scale", kind(&y), y.is_ok());
                let last = x.dims().last().copied().unwrap_or(1);
                let (w, b) = (like(&x, &[3, last]), like(&x, &[3]));
                let y = mlp_tangents(
                    &[&x],
                    std::slice::from_ref(&x),
                    &[(&w, &b)],
                    Activation::Elu,
                );
                add("mlp_tangents", kind(&y), y.is_ok());
                let affine = like(&x, &[x.dims().get(1).copied().unwrap_or(1)]);
                let y = group_norm_gradients(&x, 1, &affine, &affine, 0.1, Activation::Relu, &x);
                add("group_norm_gradients", kind(&y), y.is_ok());
                let weight = like(&x, &[2, x.dims().get(1).copied().unwrap_or(1), 1, 1]);
                let y = conv2d_gradients(&x, &weight, &Convolution::default(), &x);
                add("conv2d_gradients", kind(&y), y.is_ok());
                match [0; 3].map(|_| Var::from_tensor(&x)) {
                    [Ok(a), Ok(b), Ok(c)] => {
                        let y = adamw(&a, &b, &c, &x, &RATES);
                        add("adamw", kind(&y), y.is_ok());
                        let y = average(&a, &b, 0.9);
                        add("average", kind(&y), y.is_ok());
                    }
                    // Candle can't copy views of all integers on a GPU.
                    _ => assert!(!dtype.is_float() && !device().is_cpu()),
                }
                all
            });
        }
    }
    faults
}

const RATES: AdamWRates = AdamWRates {
    decay: 1.0,
    rate: 1e-3,
    correction: 0.1,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
};

fn assert_none(faults: &[String]) {
    let shown = faults.iter().take(60).cloned().collect::<Vec<_>>();
    assert!(faults.is_empty(), "{}: {}", faults.len(), shown.join("\n"));
}

#[test]
fn integers() {
    for dtype in [DType::U8, DType::U32, DType::I16, DType::I32, DType::I64] {
        assert_none(&faults(dtype));
    }
}

#[test]
fn floats_of_16_bits() {
    for dtype in [DType::F16, DType::BF16] {
        assert_none(&faults(dtype));
    }
}

#[test]
fn floats() {
    for dtype in [DType::F32, DType::F64] {
        assert_none(&faults(dtype));
    }
}

#[test]
fn views_larger_than_the_memory_are_refused() {
    let one = Tensor::zeros((1, 1), DType::F32, device()).unwrap();
    let wide = one.broadcast_as((1 << 60, 2)).unwrap();
    assert!(matches!(softmax(&wide), Err(Error::Range { .. })));
    assert!(matches!(
        Activation::Silu.apply(&wide),
        Err(Error::Range { .. })
    ));
}

#[test]
fn a_variable_is_updated_once() {
    let var = || Var::new(&[1f32, 2.0], device()).unwrap();
    let (value, first, second) = (var(), var(), var());
    let gradient = Tensor::new(&[1f32, 1.0], device()).unwrap();
    for (value, first, second) in [
        (&value, &first, &first),
        (&value, &value, &second),
        (&value, &first, &value),
        (&value, &value, &value),
        (&value, &value.clone(), &second),
    ] {
        let error = adamw(value, first, second, &gradient, &RATES).unwrap_err();
        assert!(matches!(error, Error::Range { .. }), "{error}");
    }
    for var in [&value, &first, &second] {
        assert_eq!(var.to_vec1::<f32>().unwrap(), [1.0, 2.0], "nothing changed");
    }
    // A gradient that lies in a variable's memory is read before it is written.
    let (other, moment, square) = (var(), var(), var());
    adamw(&value, &first, &second, &gradient, &RATES).unwrap();
    average(&value, &value, 0.5).unwrap();
    adamw(&other, &moment, &square, other.as_tensor(), &RATES).unwrap();
    let separate = (var(), var(), var());
    let copy = Tensor::new(&[1f32, 2.0], device()).unwrap();
    adamw(&separate.0, &separate.1, &separate.2, &copy, &RATES).unwrap();
    let values = |var: &Var| var.to_vec1::<f32>().unwrap();
    assert_eq!(values(&other), values(&separate.0));
    assert_eq!(values(&square), values(&separate.2));
}

#[test]
fn moments_of_16_bits_are_refused() {
    for dtype in [DType::F16, DType::BF16] {
        let var = || Var::zeros(3, dtype, device()).unwrap();
        let (value, first, second) = (var(), var(), var());
        let gradient = value.zeros_like().unwrap();
        let error = adamw(&value, &first, &second, &gradient, &RATES).unwrap_err();
        assert!(matches!(error, Error::DType { .. }), "{error}");
        // Steps of averages below the spacing of 16 bits are rounded once.
        let mean = Var::ones(1, dtype, device()).unwrap();
        let far = Var::from_tensor(&(mean.as_tensor() * 30_000.0).unwrap()).unwrap();
        average(&mean, &far, 0.9999).unwrap();
        let mean = mean.to_dtype(DType::F32).unwrap().to_vec1::<f32>().unwrap();
        assert!((mean[0] - 4.0).abs() < 0.02, "{mean:?}");
    }
}

#[test]
fn frequencies_that_do_not_fit_the_memory_are_refused() {
    for count in [1 << 62, usize::MAX] {
        let fourier = advect_ops::fourier_frequencies(count);
        assert!(matches!(fourier, Err(Error::Range { .. })));
        let sinusoidal = advect_ops::sinusoidal_frequencies(count, 1e4);
        assert!(matches!(sinusoidal, Err(Error::Range { .. })));
    }
    for longest in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(advect_ops::sinusoidal_frequencies(2, longest).is_err());
    }
}
