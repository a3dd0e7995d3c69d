//! Inception-v3 against pytorch-fid, stage by stage, with weights that a formula makes on both sides.

use advect_core::Error;
use advect_core::testing::device;
use advect_features::{FeatureExtractor, InceptionV3, Preprocessing};
use advect_nn::State;
use candle_core::{DType, Tensor};
use std::collections::HashMap;

fn golden() -> HashMap<String, Tensor> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/inception.safetensors"
    );
    candle_core::safetensors::load(path, device()).unwrap()
}

/// Numbers in [−1/2, 1/2) from a hash of name and place; `inception.py` has the same.
fn uniform(name: &str, count: usize) -> impl Iterator<Item = f64> {
    let seed = (name.bytes()).fold(2_166_136_261u32, |seed, byte| {
        (seed ^ u32::from(byte)).wrapping_mul(16_777_619)
    });
    (0..count as u32).map(move |i| {
        let mut h = i.wrapping_mul(2_654_435_761).wrapping_add(seed);
        h ^= h >> 15;
        h = h.wrapping_mul(2_246_822_519);
        h ^= h >> 13;
        f64::from(h) / 4_294_967_296.0 - 0.5
    })
}

fn weight(name: &str, shape: &[usize]) -> Tensor {
    let (factor, shift) = match name {
        name if name.ends_with("conv.weight") => (
            (24.0 / shape[1..].iter().product::<usize>() as f64).sqrt(),
            0.0,
        ),
        name if name.ends_with("bn.weight") => (0.2, 1.0),
        name if name.ends_with("running_var") => (0.5, 1.0),
        _ => (0.2, 0.0),
    };
    let numbers = uniform(name, shape.iter().product());
    let numbers: Vec<f32> = numbers.map(|u| (shift + factor * u) as f32).collect();
    Tensor::from_vec(numbers, shape, device()).unwrap()
}

fn bytes(name: &str, size: [usize; 2]) -> Tensor {
    let pixels = uniform(name, 3 * size[0] * size[1]).map(|u| ((u + 0.5) * 256.0) as u8);
    Tensor::from_vec(pixels.collect(), (1, 3, size[0], size[1]), device()).unwrap()
}

fn numbers(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

/// The largest difference, relative to the root of the mean square.
fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let size = (b.iter().map(|b| b * b).sum::<f32>() / b.len() as f32).sqrt();
    a.iter()
        .zip(b)
        .fold(0.0, |most: f32, (a, b)| most.max((a - b).abs()))
        / size
}

/// All names and shapes of the network.
fn state() -> State {
    let empty = InceptionV3::from_state(State::new(), device()).unwrap_err();
    assert!(matches!(empty, Error::Range { .. }), "{empty}");
    InceptionV3::shapes()
        .unwrap()
        .into_iter()
        .map(|(name, shape)| (name.clone(), weight(&name, &shape)))
        .collect()
}

#[test]
fn every_stage_is_that_of_pytorch_fid() {
    let golden = golden();
    let mut state = state();
    // What PyTorch writes besides.
    let count = Tensor::new(0i64, device()).unwrap();
    state.insert("Mixed_5b.branch1x1.bn.num_batches_tracked".into(), count);
    let net = InceptionV3::from_state(state.clone(), device()).unwrap();
    let side = 139;
    let image: Vec<f32> = uniform("image", 3 * side * side)
        .map(|u| (2.0 * u) as f32)
        .collect();
    let image = Tensor::from_vec(image, (1, 3, side, side), device()).unwrap();
    let stages = net.stages(&image).unwrap();
    assert_eq!(stages.len(), 18);
    for (name, value) in &stages {
        let flat = numbers(value);
        let mean = |f: &dyn Fn(f32) -> f32| {
            (flat.iter().map(|&x| f64::from(f(x))).sum::<f64>() / flat.len() as f64) as f32
        };
        let mut found = vec![mean(&|x| x), mean(&|x| x * x)];
        found.extend((0..62).map(|i| flat[i * (flat.len() - 1) / 61]));
        let error = apart(&found, &numbers(&golden[&format!("stage.{name}")]));
        assert!(error < 2e-5, "{name} {error}");
    }
    let features = stages[17].1.mean((2, 3)).unwrap();
    assert!(apart(&numbers(&features), &numbers(&golden["features"])) < 2e-5);
    let logits = net.logits(&features).unwrap();
    assert!(apart(&numbers(&logits), &numbers(&golden["logits"])) < 2e-5);
    // From the bytes of a picture to features.
    let found = net.features(&bytes("pixels", [20, 30])).unwrap();
    assert_eq!(found.dims(), [1, 2048]);
    assert!(apart(&numbers(&found), &numbers(&golden["whole"])) < 2e-5);
    // The same picture as torch-fidelity sees it.
    let net = net.preprocessing(Preprocessing::TorchFidelity);
    let found = net.features(&bytes("pixels", [20, 30])).unwrap();
    assert!(apart(&numbers(&found), &numbers(&golden["fidelity.features"])) < 2e-5);
    let logits = net.logits_without_bias(&found).unwrap();
    assert!(apart(&numbers(&logits), &numbers(&golden["fidelity.logits"])) < 2e-5);

    let small = image.narrow(2, 0, 74).unwrap();
    assert!(matches!(net.stages(&small), Err(Error::Shape { .. })));
    let floats = bytes("pixels", [20, 30]).to_dtype(DType::F32).unwrap();
    assert!(matches!(net.features(&floats), Err(Error::DType { .. })));
    // torchvision's network has another number of classes.
    let other = Tensor::zeros((1000, 2048), DType::F32, device()).unwrap();
    state.insert("fc.weight".into(), other);
    let error = InceptionV3::from_state(state, device()).unwrap_err();
    assert!(error.to_string().contains("fc.weight"), "{error}");
}

#[test]
fn images_are_resized_as_each_program_does() {
    let golden = golden();
    let pictures = [
        ("small", bytes("pixels", [20, 30])),
        ("large", bytes("large", [310, 340])),
    ];
    for (size, picture) in pictures {
        for (name, preprocessing) in [
            ("pytorch_fid", Preprocessing::PytorchFid),
            ("torch_fidelity", Preprocessing::TorchFidelity),
            ("clean_fid", Preprocessing::CleanFid),
        ] {
            let resized = numbers(&preprocessing.apply(&picture).unwrap());
            let found: Vec<f32> = (0..200)
                .map(|i| resized[i * (resized.len() - 1) / 199])
                .collect();
            let error = apart(&found, &numbers(&golden[&format!("resized.{size}.{name}")]));
            assert!(error < 1e-4, "{size} {name} {error}");
        }
    }
}
