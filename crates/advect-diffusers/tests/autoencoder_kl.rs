//! The autoencoder against diffusers 0.42.1, with random weights.

use std::collections::BTreeMap;

use advect_core::testing::device;
use advect_core::{Error, Generator, Key, Result};
use advect_diffusers::{AutoencoderKl, AutoencoderKlConfig, Config, published};
use advect_nn::{ParameterStore, State, Weights};
use advect_ops::{Dual, Value};
use candle_core::{DType, Tensor, Var};

use crate::unet2d::{difference, golden, read};

fn config(text: &str) -> Result<AutoencoderKlConfig> {
    AutoencoderKlConfig::new(Config::parse("config.json", text)?)
}

fn part(name: &str, part: &str) -> Weights {
    Weights::new(golden(&format!("diffusers_{name}.safetensors"))).within(part)
}

fn network(name: &str, dtype: DType) -> (AutoencoderKl, ParameterStore) {
    let store = ParameterStore::new(Key::from_seed(0), dtype, device());
    let config = Config::read(golden(&format!("diffusers_{name}.json"))).unwrap();
    let config = AutoencoderKlConfig::new(config).unwrap();
    let vae = config.build(&store.builder()).unwrap();
    store.load(published(part(name, "w").cast(dtype))).unwrap();
    (vae, store)
}

/// The moments of images, or the images of latents.
fn value<V: Value>(name: &str, vae: &AutoencoderKl, x: &V) -> V {
    match name {
        "vae_encode" => vae.moments(x).unwrap(),
        _ => vae.decode(x).unwrap(),
    }
}

#[test]
fn values_and_gradients_are_those_of_diffusers() {
    for (name, dtype) in [
        ("vae_encode", DType::F32),
        ("vae_decode", DType::F32),
        ("vae_encode", DType::F64),
        ("vae_decode", DType::F64),
    ] {
        let (vae, store) = network(name, dtype);
        let read = |key| -> State { read(part(name, key).cast(dtype)) };
        let (inputs, expected) = (read("in"), read("out"));
        let x = Var::from_tensor(&inputs["x"]).unwrap();
        let y = value(name, &vae, x.as_tensor());
        let mut worst = difference(&y, &expected["y"]);
        let loss = (y * &inputs["cotangent"]).unwrap().sum_all().unwrap();
        let grads = loss.backward().unwrap();
        let parameters: BTreeMap<_, _> = store.parameters().into_iter().collect();
        // (The file of the decoder has gradients of the other layers too, left there from before.)
        let gradients = read("grad").into_iter();
        let gradients = gradients
            .filter(|(key, _)| name == "vae_encode" || key == "x" || key.starts_with("w.decoder"));
        let mut count = 0;
        for (key, expected) in gradients {
            let var = key.strip_prefix("w.").map_or(&x, |name| &parameters[name]);
            let grad = grads.get(var.as_tensor());
            let grad = grad.unwrap_or_else(|| panic!("{key} has no gradient"));
            // Keys of attention shift all scores alike: without their bias, nothing changes.
            if !key.ends_with("to_k.bias") {
                worst = worst.max(difference(grad, &expected));
            }
            count += 1;
        }
        println!("{name} in {dtype:?}: {worst:.1e}, {count} gradients");
        assert!(worst < 1e-4 && count > 3, "{name}: {worst:e}, {count}");
        // The other half has no part in it.
        let with = parameters
            .values()
            .filter(|var| grads.get(var.as_tensor()).is_some());
        let half = if name == "vae_encode" {
            "encoder."
        } else {
            "decoder."
        };
        let own = parameters
            .keys()
            .filter(|key| key.starts_with(half))
            .count();
        assert_eq!(with.count(), own + 2, "{name}");
    }
}

#[test]
fn derivatives_are_finite_differences() {
    for name in ["vae_encode", "vae_decode"] {
        let (vae, store) = network(name, DType::F64);
        let x = read(part(name, "in").cast(DType::F64))["x"].clone();
        let mut rng = Generator::from_seed(3);
        let mut normal = |x: &Tensor| rng.normal(x.dims(), DType::F64, device()).unwrap();
        let dx = normal(&x);
        let at = |x: &Tensor| value(name, &vae, x).detach();
        let (h, moved) = (1e-5, |h: f64| at(&(&x + (&dx * h).unwrap()).unwrap()));
        let slope = ((moved(h) - moved(-h)).unwrap() / (2.0 * h)).unwrap();
        let dual = Dual::new(x.clone(), dx.clone()).unwrap();
        let (y, along) = value(name, &vae, &dual).into_parts().unwrap();
        assert!(difference(&y, &at(&x)) < 1e-12);
        let error = difference(&along, &slope);
        assert!(error < 1e-6, "{name}: {error:e}");

        // Of each parameter along a direction of its own.
        let cotangent = normal(&y);
        let loss = || {
            let y = value(name, &vae, &x);
            (y * &cotangent).unwrap().sum_all().unwrap()
        };
        let number = |x: Tensor| x.to_scalar::<f64>().unwrap();
        let grads = loss().backward().unwrap();
        for (name, var) in store.parameters() {
            let Some(grad) = grads.get(var.as_tensor()) else {
                continue;
            };
            let (start, step) = (var.copy().unwrap(), normal(&var));
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
    }
}

#[test]
fn latents_are_scaled_and_back() {
    let (vae, store) = network("vae_encode", DType::F64);
    assert_eq!(vae.cost().parameters, store.element_count());
    let x = read(part("vae_encode", "in").cast(DType::F64))["x"].clone();
    let law = vae.encode(&x).unwrap();
    let z = law.sample(&mut Generator::from_seed(0)).unwrap();
    assert!(difference(&vae.normalize(&z).unwrap(), &(&z * 0.18215).unwrap()) < 1e-14);
    let twin = vae.on(&store.frozen()).unwrap();
    assert!(!twin.encode(&x).unwrap().mode().track_op());

    // With a shift, and with moments of each channel.
    let text = |rest: &str| {
        format!(
            r#"{{"block_out_channels": [4], "norm_num_groups": 4, "latent_channels": 2, "scaling_factor": 0.5, {rest}}}"#
        )
    };
    let build = |rest: &str| {
        let store = ParameterStore::new(Key::from_seed(0), DType::F64, device());
        config(&text(rest))
            .unwrap()
            .build(&store.builder())
            .unwrap()
    };
    let z = Tensor::new(&[[[[3f64]], [[5.0]]]], device()).unwrap();
    let numbers = |z: &Tensor| z.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let shifted = build(r#""shift_factor": 1.0"#);
    assert_eq!(numbers(&shifted.normalize(&z).unwrap()), [1.0, 2.0]);
    let each = build(r#""latents_mean": [1.0, 2.0], "latents_std": [4.0, 0.5]"#);
    let normal = each.normalize(&z).unwrap();
    assert_eq!(numbers(&normal), [0.25, 3.0]);
    assert_eq!(numbers(&each.denormalize(&normal).unwrap()), [3.0, 5.0]);
}

#[test]
fn bad_input_is_a_typed_error() {
    let (vae, _) = network("vae_decode", DType::F32);
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, device()).unwrap();
    for shape in [
        &[1, 3, 16, 15][..],
        &[1, 4, 16, 16],
        &[3, 16, 16],
        &[0, 3, 16, 16],
    ] {
        let error = vae.encode(&zeros(shape)).unwrap_err().to_string();
        assert!(error.starts_with("x: "), "{error}");
    }
    let error = vae.decode(&zeros(&[1, 3, 8, 8])).unwrap_err().to_string();
    assert!(error.starts_with("z: "), "{error}");
    let double = zeros(&[1, 4, 8, 8]).to_dtype(DType::F64).unwrap();
    assert!(matches!(vae.decode(&double), Err(Error::DType { .. })));
    for (text, key) in [
        (r#"{"act_fn": "gelu"}"#, "act_fn"),
        (r#"{"block_out_channels": []}"#, "block_out_channels"),
        (r#"{"block_out_channels": [8, 0]}"#, "block_out_channels"),
        (
            r#"{"down_block_types": ["AttnDownEncoderBlock2D"]}"#,
            "down_block_types",
        ),
        (r#"{"block_out_channels": [32, 32]}"#, "down_block_types"),
        (r#"{"latent_channels": 0}"#, "latent_channels"),
        (r#"{"scaling_factor": 0.0}"#, "scaling_factor"),
        (r#"{"latents_std": [1.0, 0.0, 1.0, 1.0]}"#, "latents_std"),
        (r#"{"latents_mean": [1.0]}"#, "latents_mean"),
        (r#"{"_class_name": "VQModel"}"#, "_class_name"),
        (r#"{"tiling": true}"#, "tiling"),
    ] {
        let error = config(text).unwrap_err().to_string();
        assert!(error.contains(key), "{text}: {error}");
    }
    let store = ParameterStore::new(Key::from_seed(0), DType::F32, device());
    let groups = config(r#"{"norm_num_groups": 7}"#).unwrap();
    assert!(groups.build(&store.builder()).is_err());
}
