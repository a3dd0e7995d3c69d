//! Against PyTorch 2.15 (`golden/optimisers_torch.json`): AdamW, plain and clipped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use advect_core::testing::assert_close;
use advect_train::{AdamW, AdamWConfig, clip_norm};
use candle_core::{Device, Tensor, Var};
use candle_nn::Optimizer;
use serde_json::Value;

fn vector(value: &Value) -> Tensor {
    let values: Vec<f64> = serde_json::from_value(value.clone()).unwrap();
    Tensor::new(values, &Device::Cpu).unwrap()
}

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/optimisers_torch.json")).unwrap()
}

/// A gradient store that holds a given gradient: that of `g · p`.
fn gradients(p: &Var, g: &Tensor) -> candle_core::backprop::GradStore {
    (p.as_tensor() * g)
        .unwrap()
        .sum_all()
        .unwrap()
        .backward()
        .unwrap()
}

#[test]
fn adamw_agrees() {
    let golden = golden();
    for name in ["adamw", "adamw_wd0"] {
        let row = &golden["rows"][name];
        let number = |key: &str| row["config"][key].as_f64().unwrap();
        let config = AdamWConfig {
            learning_rate: number("lr"),
            beta1: row["config"]["betas"][0].as_f64().unwrap(),
            beta2: row["config"]["betas"][1].as_f64().unwrap(),
            epsilon: number("eps"),
            weight_decay: number("weight_decay"),
        };
        let p = Var::from_tensor(&vector(&golden["start"])).unwrap();
        let mut optimizer = AdamW::new(vec![p.clone()], config).unwrap();
        let trajectory = row["trajectory"].as_array().unwrap();
        for (g, expected) in golden["gradients"]
            .as_array()
            .unwrap()
            .iter()
            .zip(trajectory)
        {
            optimizer.step(&gradients(&p, &vector(g))).unwrap();
            assert_close(&p.as_detached_tensor(), &vector(expected), 1e-12, 1e-14);
        }
        assert_eq!(optimizer.steps().unwrap(), 6);
    }
}

#[test]
fn clipped_adamw_agrees() {
    let golden = golden();
    let p = Var::from_tensor(&vector(&golden["start"])).unwrap();
    let config = AdamWConfig {
        learning_rate: 1e-2,
        ..AdamWConfig::default()
    };
    let mut optimizer = AdamW::new(vec![p.clone()], config).unwrap();
    let rows = golden["rows"]["adamw_clip1"].as_array().unwrap();
    for (g, row) in golden["gradients"].as_array().unwrap().iter().zip(rows) {
        let mut grads = gradients(&p, &vector(g));
        let norm = clip_norm(&mut grads, std::slice::from_ref(&p), 1.0).unwrap();
        assert!((norm - row["norm"].as_f64().unwrap()).abs() < 1e-12);
        optimizer.step(&grads).unwrap();
        // PyTorch adds 1e-6 to the norm.
        assert_close(&p.as_detached_tensor(), &vector(&row["p"]), 1e-6, 1e-8);
    }
}
