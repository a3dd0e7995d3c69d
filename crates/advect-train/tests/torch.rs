//! Against PyTorch 2.15 and diffusers 0.42: optimisers, clipping, learning rates, averages.

use advect_core::testing::{assert_close, device};
use advect_core::{Error, Key};
use advect_nn::ParameterStore;
use advect_train::decay::{Decay, HalfLife, Warmup, decay_fn};
use advect_train::learning_rate::{
    CosineRestarts, InverseSquareRoot, LearningRate, Sequence, WarmedUp, WarmupCosine,
};
use advect_train::optimizer::{PerParameter, UpdateRule};
use advect_train::{
    AdamConfig, AdamW, AdamWConfig, Ema, Gradients, Momentum, MuonConfig, SgdConfig,
};
use candle_core::{DType, Tensor, Var};
use candle_nn::Optimizer;
use serde_json::Value;

fn vector(value: &Value) -> Tensor {
    let values: Vec<f64> = serde_json::from_value(value.clone()).unwrap();
    Tensor::new(values, device()).unwrap()
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
            Var::new(&[1f64, 2.0], device()).unwrap(),
            Var::new(&[0f64], device()).unwrap(),
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
fn integers_and_equal_names_are_refused() {
    let integers = Var::zeros(2, DType::U32, device()).unwrap();
    let refused = AdamW::from_named(vec![("w".into(), integers)], AdamWConfig::default());
    assert!(matches!(refused, Err(Error::DType { argument, .. }) if argument == "w"));
    let w = Var::zeros(2, DType::F32, device()).unwrap();
    let twice = vec![("w".to_string(), w.clone()), ("w".to_string(), w)];
    assert!(matches!(
        AdamW::from_named(twice, AdamWConfig::default()),
        Err(Error::Range { .. })
    ));
}

/// Against what `golden/pytorch.py` made with PyTorch, diffusers and transformers.
fn numbers() -> Value {
    serde_json::from_str(include_str!("golden/pytorch.json")).unwrap()
}

/// The gradient of step k that the script takes.
fn gradient(k: usize, shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    let value = |i: usize| ((1.3 * k as f64 + 0.7 * i as f64).sin() * 1e6).round() / 1e6;
    Tensor::from_vec((0..count).map(value).collect(), shape, device()).unwrap()
}

fn start(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    let values = (0..count).map(|i| 0.3 * i as f64 - 0.5).collect();
    Tensor::from_vec(values, shape, device()).unwrap()
}

fn follows<R: UpdateRule>(name: &str, shape: &[usize], rule: R, tolerance: f64) {
    let golden = numbers();
    let x = Var::from_tensor(&start(shape)).unwrap();
    let mut optimizer = PerParameter::new(vec![x.clone()], rule).unwrap();
    let trajectory = golden["optimisers"][name].as_array().unwrap();
    assert_eq!(trajectory.len(), 8);
    for (k, expected) in trajectory.iter().enumerate() {
        optimizer.step(&gradients(&x, &gradient(k, shape))).unwrap();
        let expected = vector(expected).reshape(shape).unwrap();
        assert_close(&x.as_detached_tensor(), &expected, 0.0, tolerance);
    }
}

#[test]
fn optimisers_agree() {
    let sgd = |momentum, weight_decay| SgdConfig {
        learning_rate: 0.1,
        momentum,
        weight_decay,
    };
    follows("sgd", &[6], sgd(Momentum::None, 0.2), 1e-12);
    let (factor, dampening) = (0.9, 0.3);
    let momentum = Momentum::Classical { factor, dampening };
    follows("momentum", &[6], sgd(momentum, 0.2), 1e-12);
    follows("nesterov", &[6], sgd(Momentum::nesterov(0.8), 0.0), 1e-12);
    let adam = AdamConfig {
        learning_rate: 0.01,
        beta2: 0.99,
        weight_decay: 0.3,
        ..AdamConfig::default()
    };
    follows("adam", &[6], adam, 1e-12);
    let adamw = AdamWConfig {
        learning_rate: 0.01,
        beta2: 0.99,
        weight_decay: 0.3,
        ..AdamWConfig::default()
    };
    follows("adamw", &[6], adamw, 1e-12);
    let muon = MuonConfig {
        weight_decay: 0.1,
        ..MuonConfig::default()
    };
    // PyTorch orthogonalises in bfloat16, with less than 3 digits: 8 steps of 0.02.
    follows("muon", &[3, 2], muon, 8.0 * 0.02 * 2e-2);
}

#[test]
fn learning_rates_agree() {
    let golden = numbers();
    let agrees = |name: &str, rate: &dyn LearningRate, shift: usize| {
        let rates = golden["learning_rates"][name].as_array().unwrap();
        assert_eq!(rates.len(), 40);
        for (step, expected) in rates.iter().enumerate().skip(shift) {
            let ours = rate.at(step - shift);
            let expected = expected.as_f64().unwrap();
            assert!(
                (ours - expected).abs() < 1e-12,
                "{name} {step}: {ours} {expected}"
            );
        }
    };
    agrees("cosine", &WarmupCosine::new(1.0, 0, 40).unwrap(), 0);
    let restarts = CosineRestarts::new(1.0, 5).unwrap();
    let restarts = restarts.growth(2).unwrap().least(0.1).unwrap();
    agrees("restarts", &restarts, 0);
    let pieces = Sequence::starting(1.0).then(7, 0.1).unwrap();
    agrees("pieces", &pieces.then(20, 0.01).unwrap(), 0);
    let later = CosineRestarts::new(1.0, 6).unwrap();
    agrees(
        "sequence",
        &Sequence::starting(1.0).then(9, later).unwrap(),
        0,
    );
    // diffusers begins its warm-up with a step of 0, which is left out here.
    agrees("diffusers constant", &WarmedUp::new(1.0, 8).unwrap(), 1);
    // As does transformers.
    let root = InverseSquareRoot::new(1.0, 8).unwrap();
    agrees("transformers inverse root", &root, 1);
    let cosine = WarmupCosine::new(1.0, 8, 40).unwrap();
    let rates = golden["learning_rates"]["diffusers cosine"]
        .as_array()
        .unwrap();
    for (step, expected) in rates.iter().enumerate().skip(1) {
        let ours = cosine.at(if step <= 8 { step - 1 } else { step });
        assert!((ours - expected.as_f64().unwrap()).abs() < 1e-12, "{step}");
    }
}

#[test]
fn averages_agree() {
    let golden = numbers();
    let averages = |decay: Box<dyn Decay + Send + Sync>, values: &Value| {
        let store = ParameterStore::new(Key::from_seed(0), DType::F64, device());
        store.builder().get(4, "x").unwrap();
        let (_, x) = store.parameters().remove(0);
        x.set(&start(&[4])).unwrap();
        let ema = Ema::new(&store, decay).unwrap();
        for (k, expected) in values.as_array().unwrap().iter().enumerate() {
            x.set(&gradient(k, &[4])).unwrap();
            ema.update(k).unwrap();
            let average = ema.parameters().tensors().remove(0);
            assert_close(&average, &vector(expected), 0.0, 1e-13);
        }
    };
    averages(Box::new(0.9), &golden["averages"]["constant"]);
    // EDM's half-life of 1280 images at a batch of 64.
    let plain = HalfLife::new(20.0).unwrap();
    for (name, decay) in [("plain", plain), ("ramp", plain.ramp(0.5).unwrap())] {
        let theirs = &golden["half_lives"][name];
        averages(Box::new(decay), &theirs["values"]);
        for (k, expected) in theirs["decays"].as_array().unwrap().iter().enumerate() {
            assert!(
                (decay.at(k) - expected.as_f64().unwrap()).abs() < 1e-14,
                "{k}"
            );
        }
    }
    // diffusers copies the parameters at its first step, where the decay would be 1/10.
    let warm_up = Warmup::new(0.7).unwrap();
    let decay = move |step| if step == 0 { 0.0 } else { warm_up.at(step) };
    let theirs = &golden["averages"]["warm-up"];
    averages(Box::new(decay_fn(decay)), &theirs["values"]);
    for (k, expected) in theirs["decays"]
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
        .skip(1)
    {
        assert!(
            (warm_up.at(k) - expected.as_f64().unwrap()).abs() < 1e-15,
            "{k}"
        );
    }
}
