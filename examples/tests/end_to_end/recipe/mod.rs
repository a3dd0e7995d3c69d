//! The recipe for CIFAR-10 trains as torchcfm does: the same losses from the same weights, pairs and times (`first_steps.py`).

use std::path::Path;

use advect::core::Time;
use advect::models::UNet;
use advect::nn::{State, Stateful};
use advect::prelude::*;
use advect_examples::Cifar10Recipe;

/// Noise, data and times of a step, by the formulas of the script.
fn batch(step: usize, [count, channels, side]: [usize; 3]) -> (Tensor, Tensor, Vec<f64>) {
    let pixels = channels * side * side;
    let values = |f: &dyn Fn(f64, f64) -> f64| {
        let values = (0..count * pixels).map(|k| f((k / pixels) as f64, (k % pixels) as f64));
        let shape = (count, channels, side, side);
        Tensor::from_vec(values.collect::<Vec<f64>>(), shape, &Device::Cpu).unwrap()
    };
    let now = step as f64;
    let data = values(&|i, place| (0.3 + 1.7 * i + 0.13 * place + 0.9 * now).sin());
    let noise =
        values(&|i, place| 1.4 * (0.7 + 2.3 * i + 1.9 * place * (1.0 + i) + 0.4 * now).cos());
    let times = (0..count).map(|i| (0.37 + 0.618_033_988_75 * (i + count * step) as f64).fract());
    (noise, data, times.collect())
}

/// Trains a network by a recipe for as many steps as are told, and compares each loss and at last the average: the largest relative difference.
fn difference(
    recipe: &Cifar10Recipe,
    store: &ParameterStore,
    net: &UNet,
    told: &str,
    shape: [usize; 3],
) -> f64 {
    let told: Vec<(&str, f64)> = told
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, value)| (name, value.parse().unwrap()))
        .collect();
    let mut trainer = recipe.trainer(store, Generator::from_seed(0)).unwrap();
    let number = |x: &Tensor| x.to_dtype(DType::F64).unwrap().to_scalar::<f64>().unwrap();
    let mut found = Vec::new();
    let mut last = None;
    for step in 0..told.len() - 1 {
        let (noise, data, times) = batch(step, shape);
        let [noise, data] = [noise, data].map(|x| x.to_dtype(store.dtype()).unwrap());
        let loss = rectified_flow()
            .losses_at(net, &noise, &data, &times, &mut Generator::from_seed(0))
            .unwrap()
            .mean_all()
            .unwrap();
        trainer.update(&loss).unwrap();
        found.push(("loss", number(&loss)));
        last = Some((noise, data, times));
    }
    let (noise, data, times) = last.unwrap();
    let t = Tensor::from_vec(times, shape[0], &Device::Cpu).unwrap();
    let t = t.to_dtype(store.dtype()).unwrap();
    let weight = t.reshape((shape[0], 1, 1, 1)).unwrap();
    let way = (data - &noise).unwrap().broadcast_mul(&weight).unwrap();
    let x = (noise + way).unwrap();
    let averaged = net.on(&trainer.averaged().frozen()).unwrap();
    let value = averaged.at(&Time::PerSample(t), &x).unwrap();
    found.push(("average", number(&value.sqr().unwrap().mean_all().unwrap())));
    let differences = found.iter().zip(&told).map(|(found, told)| {
        assert_eq!(found.0, told.0);
        let difference = (found.1 - told.1).abs() / told.1;
        // A difference that is no number is the largest.
        if difference.is_nan() {
            f64::INFINITY
        } else {
            difference
        }
    });
    differences.fold(0.0, f64::max)
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
    let config = UNet::config(&[1, 12, 12]).channels(32).blocks(1);
    let config = config.multipliers(&[1.0, 2.0]).attention(&[6]).heads(2);
    let net = config.build(&store.builder()).unwrap();
    store.restore(&state).unwrap();

    let recipe = Cifar10Recipe {
        rate: 2e-3,
        warm_up: 8,
        decay: 0.9,
        ..Cifar10Recipe::default()
    };
    let told = include_str!("first_steps.txt");
    let difference = difference(&recipe, &store, &net, told, [4, 1, 12]);
    // PyTorch adds 1e-6 to the norm by which it clips.
    assert!(difference < 1e-5, "{difference}");
}

#[test]
#[ignore = "needs the folder of `first_steps.py --published FOLDER` in ADVECT_RECIPE, and minutes"]
fn steps_of_the_published_network_are_those_of_torchcfm() {
    let folder = std::env::var("ADVECT_RECIPE").expect("ADVECT_RECIPE names the folder");
    let folder = Path::new(&folder);
    let recipe = Cifar10Recipe {
        dropout: 0.0,
        ..Cifar10Recipe::default()
    };
    let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
    let net = recipe.network().build(&store.builder()).unwrap();
    store
        .load(Weights::new(folder.join("weights.safetensors")))
        .unwrap();
    let told = std::fs::read_to_string(folder.join("first_steps.txt")).unwrap();
    let difference = difference(&recipe, &store, &net, &told, [2, 3, 32]);
    println!(
        "{} lines, largest relative difference {difference:.1e}",
        told.lines().count()
    );
    assert!(difference < 1e-3, "{difference}");
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
