//! The U-Net against diffusers 0.42.1: three of its networks, with random weights. Golden files are by `make_vectors_diffusers.py`: weights
//! `w.…`, inputs `in.…`, the value `out.y`, gradients of `Σ y · cotangent` by x and by some weights.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use advect_core::testing::device;
use advect_core::{Conditional, Error, Field, Generator, Jvp, Key, Result, Time};
use advect_diffusers::{Config, UNet2d, UNet2dConfig, published};
use advect_nn::{Network, ParameterStore, State, Stateful, Weights};
use candle_core::{DType, Tensor, Var};

pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn config(name: &str) -> UNet2dConfig {
    let config = Config::read(golden(&format!("diffusers_{name}.json"))).unwrap();
    UNet2dConfig::new(config).unwrap()
}

fn weights(name: &str, part: &str) -> Weights {
    Weights::new(golden(&format!("diffusers_{name}.safetensors"))).within(part)
}

/// A network with the weights of a file.
fn network(name: &str, dtype: DType) -> (UNet2d, ParameterStore) {
    let store = ParameterStore::new(Key::from_seed(0), dtype, device());
    let net = config(name).build(&store.builder()).unwrap();
    store
        .load(published(weights(name, "w").cast(dtype)))
        .unwrap();
    (net, store)
}

/// Reads tensors onto the device of tests.
pub(crate) fn read(weights: Weights) -> State {
    let state = weights.read().unwrap().into_iter();
    state
        .map(|(name, x)| (name, x.to_device(device()).unwrap()))
        .collect()
}

fn inputs(name: &str) -> (State, Time, Option<Tensor>) {
    let inputs = read(weights(name, "in"));
    let times = inputs["t"].to_dtype(DType::F64).unwrap();
    let labels = inputs.get("y").cloned();
    (inputs, Time::PerSample(times), labels)
}

/// The largest difference, as a part of the largest number.
pub(crate) fn difference(a: &Tensor, b: &Tensor) -> f64 {
    let largest = |x: &Tensor| -> Result<f64> {
        let x = x.to_dtype(DType::F64)?.abs()?.flatten_all()?;
        Ok(x.max(0)?.to_scalar()?)
    };
    assert_eq!(a.dims(), b.dims());
    let parts = || Ok::<_, Error>((largest(&(a - b)?)?, largest(b)?));
    let (difference, size) = parts().unwrap();
    difference / size
}

#[test]
fn values_and_gradients_are_those_of_diffusers() {
    for name in ["unet2d_ddpm", "unet2d_class_scaleshift", "unet2d_ncsnpp"] {
        let (net, store) = network(name, DType::F32);
        let (inputs, t, labels) = inputs(name);
        let x = Var::from_tensor(&inputs["x"]).unwrap();
        let y = net.evaluate(&t, &x, labels.as_ref()).unwrap();
        let expected = read(weights(name, "out"));
        let mut worst = vec![("y".to_string(), difference(&y, &expected["y"]))];
        let loss = (y * &inputs["cotangent"]).unwrap().sum_all().unwrap();
        let grads = loss.backward().unwrap();
        let parameters: BTreeMap<_, _> = store.parameters().into_iter().collect();
        for (key, expected) in read(weights(name, "grad")) {
            let var = key.strip_prefix("w.").map_or(&x, |name| &parameters[name]);
            let grad = grads.get(var.as_tensor()).unwrap();
            worst.push((key, difference(grad, &expected)));
        }
        assert_eq!(worst.len(), 9, "{name}");
        for (key, difference) in worst {
            println!("{name} {key}: {difference:.1e}");
            assert!(difference < 1e-4, "{name} {key}: {difference:e}");
        }
    }
}

fn normal(rng: &mut Generator, like: &Tensor) -> Tensor {
    rng.normal(like.dims(), DType::F64, device()).unwrap()
}

fn product(a: &Tensor, b: &Tensor) -> f64 {
    let sum = (a * b).unwrap().sum_all().unwrap();
    sum.to_scalar().unwrap()
}

/// In f64, along random directions: of the state and the time by forward mode, of all parameters together by the gradient.
#[test]
fn derivatives_are_finite_differences() {
    for name in ["unet2d_ddpm", "unet2d_class_scaleshift", "unet2d_ncsnpp"] {
        let (net, store) = network(name, DType::F64);
        let (inputs, t, labels) = inputs(name);
        let rng = &mut Generator::from_seed(3);
        let x = inputs["x"]
            .to_dtype(DType::F64)
            .unwrap()
            .narrow(0, 0, 1)
            .unwrap();
        let t = t.values().unwrap()[0];
        let labels = labels.map(|labels| labels.narrow(0, 0, 1).unwrap());
        let at = |t: f64, x: &Tensor| {
            let t = Time::Shared(t);
            net.evaluate(&t, x, labels.as_ref()).unwrap().detach()
        };
        let (h, dx, dt) = (1e-5, normal(rng, &x), 0.3 * t);
        let along = net
            .evaluate_along(&Time::Shared(t), &x, labels.as_ref(), dt, &dx)
            .unwrap();
        let moved = |h: f64| at(t + h * dt, &(&x + (&dx * h).unwrap()).unwrap());
        let slope = ((moved(h) - moved(-h)).unwrap() / (2.0 * h)).unwrap();
        let error = difference(&along.1, &slope);
        assert!(error < 1e-6, "{name}: {error:e}");
        assert!(difference(&along.0, &at(t, &x)) < 1e-12);

        let y = net.evaluate(&Time::Shared(t), &x, labels.as_ref()).unwrap();
        let cotangent = normal(rng, &y);
        let grads = (&y * &cotangent)
            .unwrap()
            .sum_all()
            .unwrap()
            .backward()
            .unwrap();
        let (mut expected, mut steps) = (0.0, Vec::new());
        for (name, var) in store.parameters() {
            let grad = grads
                .get(var.as_tensor())
                .unwrap_or_else(|| panic!("{name}"));
            let step = normal(rng, &var);
            expected += product(grad, &step);
            steps.push((var.as_detached_tensor().copy().unwrap(), step, var));
        }
        let moved = |h: f64| {
            for (value, step, var) in &steps {
                var.set(&(value + (step * h).unwrap()).unwrap()).unwrap();
            }
            product(&at(t, &x), &cotangent)
        };
        let h = 1e-6;
        let slope = (moved(h) - moved(-h)) / (2.0 * h);
        let error = (slope - expected).abs() / expected.abs();
        assert!(error < 1e-5, "{name}: {slope} {expected}");
    }
}

#[test]
fn costs_count_the_parameters() {
    for name in ["unet2d_ddpm", "unet2d_class_scaleshift", "unet2d_ncsnpp"] {
        let (net, store) = network(name, DType::F32);
        let cost = net.cost();
        assert_eq!(cost.parameters, store.element_count(), "{name}");
        assert!(cost.operations > 10_000_000, "{name}: {cost:?}");
    }
}

/// Old names of attention are those of files before diffusers 0.15.
#[test]
fn old_names_are_read() {
    let (net, store) = network("unet2d_ddpm", DType::F32);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.safetensors");
    let old = |name: &str| {
        let pairs = [
            ("to_q", "query"),
            ("to_k", "key"),
            ("to_v", "value"),
            ("to_out.0", "proj_attn"),
        ];
        pairs
            .iter()
            .fold(name.to_string(), |name, (new, old)| name.replace(new, old))
    };
    let state = store
        .state()
        .into_iter()
        .map(|(name, tensor)| (old(&name), tensor))
        .collect();
    candle_core::safetensors::save(&state, &path).unwrap();
    let other = ParameterStore::new(Key::from_seed(1), DType::F32, device());
    let twin = net.config().build(&other.builder()).unwrap();
    assert!(other.load(&path).is_err());
    other.load(published(&path)).unwrap();
    let x = inputs("unet2d_ddpm").0["x"].clone();
    let at = |net: &UNet2d| net.at(&Time::Shared(5.0), &x).unwrap();
    assert_eq!(difference(&at(&net), &at(&twin)), 0.0);
}

#[test]
fn bad_input_is_refused() {
    let (net, _) = network("unet2d_class_scaleshift", DType::F32);
    let x = inputs("unet2d_class_scaleshift").0["x"].clone();
    let t = Time::Shared(5.0);
    let text = |result: Result<Tensor>| result.unwrap_err().to_string();
    assert!(text(net.at(&t, &x)).starts_with("condition: got none"));
    let labels = Tensor::new(&[3u32, 10], device()).unwrap();
    assert_eq!(
        text(net.at_given(&t, &x, &labels)),
        "condition: got 10, expected a label in 0..10"
    );
    let odd = x.narrow(2, 0, 15).unwrap();
    assert!(text(net.at(&t, &odd)).contains("divisible by 2"));
    assert!(text(net.at(&t, &x.narrow(1, 0, 2).unwrap())).contains("(batch, 3, height, width)"));
    let guided = net.clone().null_class(9).unwrap();
    let nines = Tensor::new(&[9u32, 9], device()).unwrap();
    let difference = difference(
        &guided.at(&t, &x).unwrap(),
        &net.at_given(&t, &x, &nines).unwrap(),
    );
    assert_eq!(difference, 0.0);
    assert!(net.null_class(10).is_err());

    let (net, _) = network("unet2d_ncsnpp", DType::F32);
    let error = net.jvp(
        &Time::Shared(0.0),
        &x.narrow(2, 0, 8).unwrap(),
        0.0,
        &x.narrow(2, 0, 8).unwrap(),
    );
    assert!(error.unwrap_err().to_string().starts_with("t: got 0"));
}

#[test]
fn bad_configurations_are_refused() {
    let text = |json: &str| {
        let config = Config::parse("config.json", json).unwrap();
        UNet2dConfig::new(config).unwrap_err().to_string()
    };
    for (json, expected) in [
        (
            r#"{"_class_name": "UNet2DConditionModel"}"#,
            "config.json: _class_name: got \"UNet2DConditionModel\", expected \"UNet2DModel\"",
        ),
        (
            r#"{"block_out_channels": [8]}"#,
            "config.json: down_block_types: got 4 blocks, expected 1, as many as block_out_channels",
        ),
        (
            r#"{"mid_block_type": "UNetMidBlock2DCrossAttn"}"#,
            "config.json: mid_block_type: got \"UNetMidBlock2DCrossAttn\", expected \"UNetMidBlock2D\" or null",
        ),
        (
            r#"{"class_embed_type": "timestep"}"#,
            "config.json: class_embed_type: got \"timestep\", expected null, as others are not supported: it changes how classes are embedded",
        ),
        (
            r#"{"cross_attention_dim": 4}"#,
            "config.json: got cross_attention_dim = 4: keys that are not known for this class, and may change what it computes",
        ),
        (
            r#"{"layers_per_block": 1000000000000}"#,
            "config.json: layers_per_block: got 1000000000000, expected a count from 1 to 1024",
        ),
        (
            r#"{"block_out_channels": [32, 9223372036854775808]}"#,
            "config.json: block_out_channels: got [32, 9223372036854775808], expected 1 to 16 numbers of channels, at most 1048576",
        ),
        (
            r#"{"norm_eps": 0}"#,
            "config.json: norm_eps: got 0, expected a finite number above 0",
        ),
    ] {
        assert_eq!(text(json), expected);
    }
    let error = text(r#"{"down_block_types": ["KDownBlock2D"]}"#);
    assert!(error.contains("down_block_types: got \"KDownBlock2D\", expected \"DownBlock2D\", \"AttnDownBlock2D\", \"ResnetDownsampleBlock2D\""));
    assert!(text(r#"{"act_fn": "mish"}"#).contains("act_fn: got \"mish\""));
    let skip = r#"{"in_channels": 1, "out_channels": 1, "block_out_channels": [8, 8], "down_block_types": ["SkipDownBlock2D", "SkipDownBlock2D"], "up_block_types": ["SkipUpBlock2D", "SkipUpBlock2D"]}"#;
    let both = skip.replacen("SkipDownBlock2D", "DownBlock2D", 1);
    assert!(text(&both).contains("down_block_types: got blocks of both kinds, expected either only blocks with \"Skip\" in their names"));
    assert!(text(skip).contains("got 1 and 1, expected 3 for both, as blocks with"));
}
