//! The recipe for CIFAR-10 trains as torchcfm does: the same losses from the same weights, pairs and times (`first_steps.py`).

use std::path::Path;

use advect::core::Time;
use advect::models::UNet;
use advect::nn::{State, Stateful};
use advect::prelude::*;
use advect_examples::Cifar10Recipe;

const BATCH: usize = 4;
const SIDE: usize = 12;

/// Noise, data and times of a step.
fn batch(step: usize) -> (Tensor, Tensor, Vec<f64>) {
    let pixels = SIDE * SIDE;
    let values = |f: &dyn Fn(f64, f64) -> f64| {
        let values = (0..BATCH * pixels).map(|k| f((k / pixels) as f64, (k % pixels) as f64));
        let shape = (BATCH, 1, SIDE, SIDE);
        Tensor::from_vec(values.collect::<Vec<f64>>(), shape, &Device::Cpu).unwrap()
    };
    let now = step as f64;
    let data = values(&|i, place| (0.3 + 1.7 * i + 0.13 * place + 0.9 * now).sin());
    let noise =
        values(&|i, place| 1.4 * (0.7 + 2.3 * i + 1.9 * place * (1.0 + i) + 0.4 * now).cos());
    let times = (0..BATCH).map(|i| (0.37 + 0.618_033_988_75 * (i + BATCH * step) as f64).fract());
    (noise, data, times.collect())
}

#[test]
fn first_steps_are_those_of_torchcfm() {
    let weights = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../crates/advect-models/tests/golden/unet_torchcfm_plain.safetensors");
    let golden = advect::candle::safetensors::load(weights, &Device::Cpu).unwrap();
    let mut state = State::new();
    for (name, tensor) in golden {
        if let Some(name) = name.strip_prefix("w.") {
            state.insert(name.to_string(), tensor.to_dtype(DType::F64).unwrap());
        }
    }
    let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
    let config = UNet::config(&[1, SIDE, SIDE]).channels(32).blocks(1);
    let config = config.multipliers(&[1.0, 2.0]).attention(&[6]).heads(2);
    let net = config.build(&store.builder()).unwrap();
    store.restore(&state).unwrap();

    let recipe = Cifar10Recipe {
        rate: 2e-3,
        warm_up: 8,
        decay: 0.9,
        ..Cifar10Recipe::default()
    };
    let mut trainer = recipe.trainer(&store, Generator::from_seed(0)).unwrap();
    let mut found = Vec::new();
    let mut last = None;
    let told = include_str!("first_steps.txt");
    let told: Vec<(&str, f64)> = told
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, value)| (name, value.parse().unwrap()))
        .collect();
    for step in 0..told.len() - 1 {
        let (noise, data, times) = batch(step);
        let loss = rectified_flow()
            .losses_at(&net, &noise, &data, &times, &mut Generator::from_seed(0))
            .unwrap()
            .mean_all()
            .unwrap();
        trainer.update(&loss).unwrap();
        found.push(("loss", loss.to_scalar::<f64>().unwrap()));
        last = Some((noise, data, times));
    }
    let (noise, data, times) = last.unwrap();
    let t = Tensor::from_vec(times, BATCH, &Device::Cpu).unwrap();
    let weight = t.reshape((BATCH, 1, 1, 1)).unwrap();
    let way = (data - &noise).unwrap().broadcast_mul(&weight).unwrap();
    let x = (noise + way).unwrap();
    let averaged = net.on(&trainer.averaged().frozen()).unwrap();
    let value = averaged.at(&Time::PerSample(t), &x).unwrap();
    let square = value.sqr().unwrap().mean_all().unwrap();
    found.push(("average", square.to_scalar::<f64>().unwrap()));
    for (step, (found, told)) in found.iter().zip(&told).enumerate() {
        // PyTorch adds 1e-6 to the norm by which it clips.
        let difference = (found.1 - told.1).abs() / told.1;
        assert!(
            found.0 == told.0 && difference < 1e-5,
            "{step}: {found:?}, {told:?}"
        );
    }
}

#[test]
fn options_are_the_published_ones() {
    let recipe = Cifar10Recipe::default();
    let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
    let trainer = recipe.trainer(&store, Generator::from_seed(0));
    // An average needs parameters.
    assert!(trainer.is_err());
    // The number of parameters of torchcfm's network.
    let net = recipe.network().build(&store.builder()).unwrap();
    assert_eq!(net.cost().parameters, 35_746_307);
    let options = (recipe.steps, recipe.batch, recipe.warm_up, recipe.samples);
    assert_eq!(options, (400_001, 128, 5000, 50_000));
    let numbers = (recipe.rate, recipe.clip, recipe.decay, recipe.dropout);
    assert_eq!(numbers, (2e-4, 1.0, 0.9999, 0.1));
}
