//! Against PyTorch 2.15 (`golden/optimisers_torch.json`): AdamW, plain and clipped.

use advect_core::Error;
use advect_core::testing::assert_close;
use advect_train::{AdamW, AdamWConfig, Gradients};
use candle_core::{DType, Device, Tensor, Var};
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
        let loss = (p.as_tensor() * vector(g)).unwrap().sum_all().unwrap();
        let mut gradients = Gradients::of(&loss, &[("p".into(), p.clone())]).unwrap();
        let norm = gradients.clip_norm(1.0).unwrap();
        assert!((norm - row["norm"].as_f64().unwrap()).abs() < 1e-12);
        optimizer.step(&gradients.to_store()).unwrap();
        // PyTorch adds 1e-6 to the norm.
        assert_close(&p.as_detached_tensor(), &vector(&row["p"]), 1e-6, 1e-8);
    }
}

#[test]
fn parameters_without_gradients_do_not_age() {
    // A parameter whose first gradient comes late takes the same first step as one whose comes at once.
    let step = |others: usize| {
        let (p, q) = (
            Var::new(&[1f64, 2.0], &Device::Cpu).unwrap(),
            Var::new(&[0f64], &Device::Cpu).unwrap(),
        );
        let mut optimizer = AdamW::new(vec![p.clone(), q.clone()], AdamWConfig::default()).unwrap();
        for _ in 0..others {
            optimizer.backward_step(&q.sum_all().unwrap()).unwrap();
        }
        optimizer
            .backward_step(&p.sqr().unwrap().sum_all().unwrap())
            .unwrap();
        p.as_detached_tensor()
    };
    assert_close(&step(50), &step(0), 0.0, 0.0);
}

#[test]
fn sixteen_bits_and_equal_names_are_refused() {
    let half = Var::zeros(2, DType::BF16, &Device::Cpu).unwrap();
    let refused = AdamW::from_named(vec![("w".into(), half)], AdamWConfig::default());
    assert!(matches!(refused, Err(Error::DType { argument, .. }) if argument == "w"));
    let w = Var::zeros(2, DType::F32, &Device::Cpu).unwrap();
    let twice = vec![("w".to_string(), w.clone()), ("w".to_string(), w)];
    assert!(matches!(
        AdamW::from_named(twice, AdamWConfig::default()),
        Err(Error::Range { .. })
    ));
}
