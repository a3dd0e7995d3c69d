//! The U-Net computes what torchcfm's does, with its weights.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;

use advect_core::{Conditional, Field, Key, Time};
use advect_models::{ParameterStore, State, Stateful, UNet, UNetConfig};
use advect_ops::HeadOrder;
use candle_core::{DType, Device, Tensor, Var};

/// What torchcfm 1.0.7 answered: weights (`w.`), inputs (`in.`), and outputs (`out.`), for the loss mean(value²).
fn golden(name: &str) -> HashMap<String, Tensor> {
    let path = format!(
        "{}/tests/golden/unet_torchcfm_{name}.safetensors",
        env!("CARGO_MANIFEST_DIR")
    );
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}

fn plain() -> UNetConfig {
    let config = UNet::config(&[1, 12, 12]).channels(32).blocks(1);
    config.multipliers(&[1.0, 2.0]).attention(&[6]).heads(2)
}

fn full() -> UNetConfig {
    let config = UNet::config(&[3, 16, 16]).channels(32).blocks(2);
    let config = config
        .multipliers(&[1.0, 2.0, 2.0])
        .attention(&[8, 4])
        .head_channels(16);
    config.scale_shift(true).resample_in_blocks(true).classes(5)
}

fn new_order() -> UNetConfig {
    let config = UNet::config(&[2, 8, 8]).channels(32).blocks(1);
    let config = config.multipliers(&[1.0, 2.0]).attention(&[4]).heads(4);
    config.head_order(HeadOrder::ByRole)
}

/// The value, and the gradients of x and of the first weight, in a dtype.
fn ours(config: &UNetConfig, golden: &HashMap<String, Tensor>, dtype: DType) -> [Tensor; 3] {
    let store = ParameterStore::new(Key::from_seed(0), dtype, &Device::Cpu);
    let net = config.build(&store.builder()).unwrap();
    let mut state = State::new();
    for (name, tensor) in golden {
        if let Some(name) = name.strip_prefix("w.") {
            state.insert(name.to_string(), tensor.to_dtype(dtype).unwrap());
        }
    }
    // Neither a name too many nor one too few.
    store.restore(&state).unwrap();
    let t = Time::PerSample(golden["in.t"].to_dtype(DType::F64).unwrap());
    let x = Var::from_tensor(&golden["in.x"].to_dtype(dtype).unwrap()).unwrap();
    let value = match golden.get("in.y") {
        Some(labels) => net.given(labels).at(&t, &x).unwrap(),
        None => net.at(&t, &x).unwrap(),
    };
    let gradients = value.sqr().unwrap().mean_all().unwrap().backward().unwrap();
    for (name, var) in store.parameters() {
        let gradient = gradients
            .get(&var)
            .unwrap_or_else(|| panic!("{name} has no gradient"));
        assert_eq!(gradient.dims(), var.dims());
    }
    let first = store
        .parameters()
        .into_iter()
        .find(|(name, _)| name == "input_blocks.0.0.weight");
    let gradient = |var: &Var| gradients.get(var).unwrap().clone();
    [value.detach(), gradient(&x), gradient(&first.unwrap().1)]
}

/// The largest difference, relative to the largest number.
fn difference(a: &Tensor, b: &Tensor) -> f64 {
    let largest = |x: Tensor| {
        let x = x
            .to_dtype(DType::F64)
            .unwrap()
            .abs()
            .unwrap()
            .flatten_all()
            .unwrap();
        x.max(0).unwrap().to_scalar::<f64>().unwrap()
    };
    let (a, b) = (
        a.to_dtype(DType::F64).unwrap(),
        b.to_dtype(DType::F64).unwrap(),
    );
    largest((a - &b).unwrap()) / largest(b)
}

#[test]
fn values_and_gradients_are_those_of_torchcfm() {
    for (name, config) in [
        ("plain", plain()),
        ("full", full()),
        ("neworder", new_order()),
    ] {
        let golden = golden(name);
        let expected = ["out.v", "out.grad_x", "out.grad_first_conv"].map(|key| &golden[key]);
        let single = ours(&config, &golden, DType::F32);
        let double = ours(&config, &golden, DType::F64);
        for ((expected, single), double) in expected.into_iter().zip(&single).zip(&double) {
            let (error, exact) = (difference(single, expected), difference(double, expected));
            println!("{name}: {error:.1e} in f32, {exact:.1e} in f64");
            assert!(error < 1e-4 && exact < 1e-4, "{name}: {error:e}, {exact:e}");
        }
    }
}
