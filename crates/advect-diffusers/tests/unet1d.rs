//! The U-Net of sequences against diffusers 0.42.1, with random weights.

use std::collections::BTreeMap;

use advect_core::testing::device;
use advect_core::{Error, Field, Generator, Key, Time};
use advect_diffusers::{Config, UNet1d, UNet1dConfig};
use advect_nn::{Network, ParameterStore, State, Weights};
use candle_core::{DType, Tensor, Var};

use crate::unet2d::{difference, golden, read};

fn part(part: &str) -> Weights {
    Weights::new(golden("diffusers_unet1d.safetensors")).within(part)
}

fn network(dtype: DType) -> (UNet1d, ParameterStore) {
    let store = ParameterStore::new(Key::from_seed(0), dtype, device());
    let config = Config::read(golden("diffusers_unet1d.json")).unwrap();
    let net = UNet1dConfig::new(config).unwrap();
    let net = net.build(&store.builder()).unwrap();
    store.load(part("w").cast(dtype)).unwrap();
    (net, store)
}

#[test]
fn values_and_gradients_are_those_of_diffusers() {
    for dtype in [DType::F32, DType::F64] {
        let (net, store) = network(dtype);
        let read = |key| -> State { read(part(key).cast(dtype)) };
        let inputs = read("in");
        let t = Time::PerSample(inputs["t"].to_dtype(DType::F64).unwrap());
        let x = Var::from_tensor(&inputs["x"]).unwrap();
        let y = net.at(&t, &x).unwrap();
        let mut worst = difference(&y, &read("out")["y"]);
        let loss = (y * &inputs["cotangent"]).unwrap().sum_all().unwrap();
        let grads = loss.backward().unwrap();
        let parameters: BTreeMap<_, _> = store.parameters().into_iter().collect();
        let gradients = read("grad");
        for (key, expected) in &gradients {
            let var = key.strip_prefix("w.").map_or(&x, |name| &parameters[name]);
            worst = worst.max(difference(grads.get(var.as_tensor()).unwrap(), expected));
        }
        println!("{dtype:?}: {worst:.1e}, {} gradients", gradients.len());
        assert!(worst < 1e-4 && gradients.len() == 8, "{worst:e}");
        assert_eq!(net.cost().parameters, store.element_count());
    }
}

#[test]
fn derivatives_are_finite_differences() {
    let (net, store) = network(DType::F64);
    let mut rng = Generator::from_seed(3);
    let mut normal = |shape: &[usize]| rng.normal(shape, DType::F64, device()).unwrap();
    let (x, dx, g) = (
        normal(&[2, 14, 8]),
        normal(&[2, 14, 8]),
        normal(&[2, 14, 8]),
    );
    let (t, dt, h) = (20.0, 3.0, 1e-5);
    let at = |t: f64, x: &Tensor| net.at(&Time::Shared(t), x).unwrap();
    let moved = |h: f64| at(t + h * dt, &(&x + (&dx * h).unwrap()).unwrap());
    let slope = ((moved(h) - moved(-h)).unwrap() / (2.0 * h)).unwrap();
    let along = net
        .evaluate_along(&Time::Shared(t), &x, None, dt, &dx)
        .unwrap();
    assert!(difference(&along.0, &at(t, &x)) < 1e-12);
    assert!(difference(&along.1, &slope) < 1e-6);

    let h = 1e-6;
    let loss = || (at(t, &x) * &g).unwrap().sum_all().unwrap();
    let number = |x: Tensor| x.to_scalar::<f64>().unwrap();
    let grads = loss().backward().unwrap();
    for (name, var) in store.parameters() {
        let grad = grads.get(var.as_tensor());
        let grad = grad.unwrap_or_else(|| panic!("{name} has no gradient"));
        let (start, step) = (var.copy().unwrap(), normal(var.dims()));
        let moved = |h: f64| {
            var.set(&(&start + (&step * h).unwrap()).unwrap()).unwrap();
            number(loss())
        };
        let numeric = (moved(h) - moved(-h)) / (2.0 * h);
        var.set(&start).unwrap();
        let ours = number((grad * &step).unwrap().sum_all().unwrap());
        let error = (ours - numeric).abs();
        assert!(
            error < 1e-5 * (1.0 + ours.abs()),
            "{name}: {ours} {numeric}"
        );
    }
    let twin = net.on(&store.frozen()).unwrap();
    let y = twin.at(&Time::Shared(t), &x).unwrap();
    assert!(!y.track_op() && difference(&y, &at(t, &x)) == 0.0);
}

#[test]
fn bad_input_is_a_typed_error() {
    let (net, _) = network(DType::F32);
    let t = Time::Shared(5.0);
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, device()).unwrap();
    for shape in [
        &[1, 14, 7][..],
        &[1, 13, 8],
        &[1, 14, 0],
        &[14, 8],
        &[0, 14, 8],
    ] {
        let error = net.at(&t, &zeros(shape)).unwrap_err().to_string();
        assert!(error.starts_with("x: "), "{error}");
    }
    let double = zeros(&[1, 14, 8]).to_dtype(DType::F64).unwrap();
    assert!(matches!(net.at(&t, &double), Err(Error::DType { .. })));
    let condition = Tensor::zeros(1, DType::U32, device()).unwrap();
    let error = net
        .evaluate(&t, &zeros(&[1, 14, 8]), Some(&condition))
        .unwrap_err();
    assert!(error.to_string().starts_with("condition: "), "{error}");

    let text = std::fs::read_to_string(golden("diffusers_unet1d.json")).unwrap();
    for (old, new, key) in [
        (
            "\"DownResnetBlock1D\",",
            "\"AttnDownBlock1D\",",
            "down_block_types",
        ),
        ("UpResnetBlock1D", "UpBlock1D", "up_block_types"),
        (
            "MidResTemporalBlock1D",
            "ValueFunctionMidBlock1D",
            "mid_block_type",
        ),
        ("\"OutConv1DBlock\"", "null", "out_block_type"),
        ("mish", "gelu", "act_fn"),
        ("positional", "fourier", "time_embedding_type"),
        ("\"freq_shift\": 1.0", "\"freq_shift\": 8.0", "freq_shift"),
        (
            "\"extra_in_channels\": 0",
            "\"extra_in_channels\": 2",
            "extra_in_channels",
        ),
        ("\"in_channels\": 14", "\"in_channels\": 0", "in_channels"),
        ("16,", "0,", "block_out_channels"),
        ("16,", "1,", "block_out_channels"),
        (
            "use_timestep_embedding\": true",
            "use_timestep_embedding\": false",
            "use_timestep_embedding",
        ),
        (
            "downsample_each_block\": false",
            "downsample_each_block\": true",
            "downsample_each_block",
        ),
    ] {
        let changed = text.replacen(old, new, 1);
        assert_ne!(changed, text, "{old}");
        let config = Config::parse("config.json", &changed).unwrap();
        let error = UNet1dConfig::new(config).unwrap_err().to_string();
        assert!(error.contains(key), "{key}: {error}");
    }
}
