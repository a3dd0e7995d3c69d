//! The diffusion transformer, and its latent diffusion as a whole, against diffusers 0.42.1. Golden files are by
//! `golden/dit.py`.

use std::collections::BTreeMap;

use advect_core::testing::device;
use advect_core::{Conditional, Error, Field, Generator, Jvp, Time};
use advect_diffusers::{Config, Pipeline, PipelineNetwork};
use advect_nn::{Network, ParameterStore, State, Weights};
use advect_samplers::Sampler;
use advect_samplers::guidance::Guided;
use candle_core::{DType, Tensor, Var};

use crate::unet2d::{difference, golden, read};

fn pipeline(dtype: DType) -> Pipeline {
    Pipeline::open(golden("dit"), dtype, device()).unwrap()
}

fn numbers(dtype: DType) -> State {
    let mut numbers = read(Weights::new(golden("dit.safetensors")));
    for (key, value) in &mut numbers {
        if key != "labels" && key != "t" {
            *value = value.to_dtype(dtype).unwrap();
        }
    }
    numbers
}

#[test]
fn values_and_gradients_are_those_of_diffusers() {
    for dtype in [DType::F32, DType::F64] {
        let (pipeline, numbers) = (pipeline(dtype), numbers(dtype));
        let t = Time::PerSample(numbers["t"].clone());
        let x = Var::from_tensor(&numbers["x"]).unwrap();
        let net = pipeline.network().given(&numbers["labels"]);
        let y = net.at(&t, &x).unwrap();
        let mut worst = difference(&y, &numbers["y"]);
        let loss = (y * &numbers["cotangent"]).unwrap().sum_all().unwrap();
        let grads = loss.backward().unwrap();
        let parameters: BTreeMap<_, _> = pipeline.store().parameters().into_iter().collect();
        let mut count = 0;
        for (key, expected) in &numbers {
            let Some(name) = key.strip_prefix("grad.") else {
                continue;
            };
            let var = if name == "x" { &x } else { &parameters[name] };
            let found = grads.get(var.as_tensor()).unwrap();
            // A number that is added to all keys changes no attention: that gradient is rounding.
            if name.ends_with("to_k.bias") {
                let largest = found.abs().unwrap().max_all().unwrap();
                let largest = largest.to_dtype(DType::F64).unwrap();
                assert!(largest.to_scalar::<f64>().unwrap() < 1e-5);
            } else {
                worst = worst.max(difference(found, expected));
            }
            count += 1;
        }
        println!("{dtype:?}: {worst:.1e}, {count} gradients");
        // All but the two tables of classes.
        assert!(worst < 1e-4 && count + 1 == parameters.len(), "{worst:e}");
    }
}

/// diffusers' own pipeline, with guidance, from the same noise to images.
#[test]
fn images_are_those_of_the_pipeline() {
    let (pipeline, numbers) = (pipeline(DType::F32), numbers(DType::F32));
    let labels = Tensor::new(&[7u32, 700], device()).unwrap();
    let guided = Guided::new(pipeline.frozen(), &labels, 4.0).unwrap();
    let sampler = pipeline.sampler(5).unwrap();
    let model = pipeline.model_of(guided);
    let rng = &mut Generator::from_seed(0);
    let latents = sampler.sample(&model, &numbers["noise"], rng).unwrap();
    let autoencoder = pipeline.autoencoder().unwrap();
    let latents = autoencoder.denormalize(&latents).unwrap();
    let error = difference(&latents, &numbers["latents"]);
    assert!(error < 1e-4, "latents: {error:e}");
    let images = autoencoder.decode(&latents).unwrap();
    let images = images.affine(0.5, 0.5).unwrap().clamp(0.0, 1.0).unwrap();
    let error = difference(&images, &numbers["images"]);
    assert!(error < 1e-4 && !images.track_op(), "images: {error:e}");
    assert_eq!(pipeline.noise(2, rng).unwrap().dims(), [2, 4, 4, 4]);
}

#[test]
fn derivatives_along_directions() {
    let pipeline = pipeline(DType::F64);
    let net = pipeline
        .frozen()
        .given(&Tensor::new(&[3u32, 1000], device()).unwrap());
    let rng = &mut Generator::from_seed(1);
    let (x, dx) = (
        pipeline.noise(2, rng).unwrap(),
        pipeline.noise(2, rng).unwrap(),
    );
    let (t, dt, h) = (300.0, 0.3, 1e-4);
    let (_, along) = net.jvp(&Time::Shared(t), &x, dt, &dx).unwrap();
    let at = |h: f64| {
        let x = (&x + (&dx * h).unwrap()).unwrap();
        net.at(&Time::Shared(t + h * dt), &x).unwrap()
    };
    let slope = ((at(h) - at(-h)).unwrap() / (2.0 * h)).unwrap();
    let error = difference(&along, &slope);
    assert!(error < 1e-7, "{error:e}");
}

/// As the published folder has it, of a class that was other networks too.
#[test]
fn early_files_are_read() {
    let text = r#"{
        "_class_name": "Transformer2DModel", "_diffusers_version": "0.12.0.dev0", "activation_fn": "gelu-approximate",
        "attention_bias": true, "attention_head_dim": 4, "cross_attention_dim": null, "double_self_attention": false, "dropout": 0.0,
        "in_channels": 4, "norm_elementwise_affine": false, "norm_num_groups": 32, "norm_type": "ada_norm_zero",
        "num_attention_heads": 2, "num_embeds_ada_norm": 10, "num_layers": 1, "num_vector_embeds": null, "only_cross_attention": false,
        "out_channels": 8, "patch_size": 2, "sample_size": 8, "upcast_attention": false, "use_linear_projection": false
    }"#;
    let read = |text: &str| {
        let store =
            advect_nn::ParameterStore::new(advect_core::Key::from_seed(0), DType::F32, device());
        let config = Config::parse("config.json", text).unwrap();
        PipelineNetwork::build(config, &store.builder())
    };
    let net = read(text).unwrap();
    assert_eq!(net.dim(), Some(vec![4, 8, 8]));
    assert!(net.has_variances());
    for (old, new, key) in [
        ("\"ada_norm_zero\"", "\"layer_norm\"", "norm_type"),
        (
            "\"cross_attention_dim\": null",
            "\"cross_attention_dim\": 8",
            "cross_attention_dim",
        ),
        ("gelu-approximate", "geglu", "activation_fn"),
        (
            "\"attention_bias\": true",
            "\"attention_bias\": false",
            "attention_bias",
        ),
        ("\"patch_size\": 2", "\"patch_size\": 3", "patch_size"),
        (
            "\"attention_head_dim\": 4",
            "\"attention_head_dim\": 3",
            "attention_head_dim",
        ),
        ("\"num_layers\": 1", "\"num_layers\": 0", "num_layers"),
        ("\"dropout\"", "\"unheard_of\"", "unheard_of"),
    ] {
        let changed = text.replacen(old, new, 1);
        assert_ne!(changed, text, "{old}");
        let error = read(&changed).unwrap_err().to_string();
        assert!(error.contains(key), "{key}: {error}");
    }
}

#[test]
fn bad_input_is_a_typed_error() {
    let pipeline = pipeline(DType::F32);
    let net = pipeline.network();
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, device()).unwrap();
    let t = Time::Shared(5.0);
    for shape in [&[1, 3, 4, 4][..], &[1, 4, 4, 6], &[4, 4, 4], &[0, 4, 4, 4]] {
        let error = net.at(&t, &zeros(shape)).unwrap_err().to_string();
        assert!(error.starts_with("x: "), "{error}");
    }
    let double = zeros(&[1, 4, 4, 4]).to_dtype(DType::F64).unwrap();
    assert!(matches!(net.at(&t, &double), Err(Error::DType { .. })));
    let label = Tensor::new(&[1001u32], device()).unwrap();
    let error = net
        .evaluate(&t, &zeros(&[1, 4, 4, 4]), Some(&label))
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("condition: "), "{error}");

    // A folder without an autoencoder says so.
    let plain = Pipeline::open(golden("pipeline"), DType::F32, device()).unwrap();
    let error = plain.autoencoder().unwrap_err().to_string();
    assert!(error.contains("vae/"), "{error}");
}

/// The U-Net of sequences as the network of a folder.
#[test]
fn sequences_are_networks_of_pipelines_too() {
    let store = ParameterStore::new(advect_core::Key::from_seed(0), DType::F32, device());
    let config = Config::read(golden("diffusers_unet1d.json")).unwrap();
    let config = config.of_class("UNet1DModel");
    let net = PipelineNetwork::build(config, &store.builder()).unwrap();
    let part = |part| Weights::new(golden("diffusers_unet1d.safetensors")).within(part);
    store.load(part("w")).unwrap();
    let inputs = read(part("in"));
    let t = Time::PerSample(inputs["t"].to_dtype(DType::F64).unwrap());
    let y = net.at(&t, &inputs["x"]).unwrap();
    assert!(difference(&y, &read(part("out"))["y"]) < 1e-4);
    assert_eq!(net.dim().unwrap()[0], inputs["x"].dims()[1]);
}
