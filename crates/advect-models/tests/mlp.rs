//! The MLP: every parameter has the gradient of finite differences, the frozen twin follows, labels
//! and shapes are checked, initial values hang on names.

use advect_core::testing::{assert_close, device, gradient};
use advect_core::{Conditional, Error, Field, Generator, Key, Time, check};
use advect_models::{Mlp, MlpConfig};
use advect_nn::{Activation, ParameterStore, Stateful, TimeEmbedding};
use candle_core::{DType, Tensor};

fn store(dtype: DType) -> ParameterStore {
    ParameterStore::new(Key::from_seed(0), dtype, device())
}

fn config() -> MlpConfig {
    Mlp::config(3)
        .hidden(&[5, 4])
        .activation(Activation::Tanh)
        .time(TimeEmbedding::Fourier { frequencies: 2 })
        .classes(3)
}

fn batch(dtype: DType) -> (Tensor, Time, Tensor) {
    let x = Generator::from_seed(1)
        .normal((4, 3), dtype, device())
        .unwrap();
    let t = Time::per_sample(&[0.0, 0.3, 0.6, 1.0]).unwrap();
    (x, t, Tensor::new(&[0u32, 2, 3, 1], device()).unwrap())
}

#[test]
fn every_parameter_has_the_gradient_of_finite_differences() {
    let store = store(DType::F64);
    let net = config().build(&store.builder()).unwrap();
    let (x, t, labels) = batch(DType::F64);
    let loss = || {
        net.given(&labels)
            .at(&t, &x)
            .unwrap()
            .sqr()
            .unwrap()
            .sum_all()
            .unwrap()
    };
    let grads = loss().backward().unwrap();
    assert_eq!(store.parameters().len(), 7);
    for (name, var) in store.parameters() {
        let value = var.as_detached_tensor().copy().unwrap();
        let at = |p: &Tensor| {
            var.set(p)?;
            Ok(loss().to_scalar::<f64>()?)
        };
        let numeric = gradient(at, &value, 1e-3).unwrap();
        var.set(&value).unwrap();
        let ours = grads
            .get(&var)
            .unwrap_or_else(|| panic!("{name} has no gradient"));
        assert_close(ours, &numeric, 1e-7, 1e-8);
        assert!(check::is_finite(ours).unwrap());
    }
}

#[test]
fn frozen_twins_follow_and_build_no_graph() {
    let store = store(DType::F32);
    let net = config().build(&store.builder()).unwrap();
    let twin = net.on(&store.frozen()).unwrap();
    let (x, t, labels) = batch(DType::F32);
    for (_, var) in store.parameters() {
        var.set(&(var.as_detached_tensor() * 0.5).unwrap()).unwrap();
    }
    let expected = net.given(&labels).at(&t, &x).unwrap();
    assert!(expected.track_op());
    let y = twin.given(&labels).at(&t, &x).unwrap();
    assert!(!y.track_op());
    assert_close(&y, &expected, 0.0, 0.0);
}

#[test]
fn initial_values_hang_on_names_and_follow_pytorch() {
    let (a, b) = (store(DType::F32), store(DType::F32));
    let wide = Mlp::config(100).hidden(&[400]);
    wide.build(&b.builder().pp("other")).unwrap();
    wide.build(&a.builder().pp("net")).unwrap();
    wide.build(&b.builder().pp("net")).unwrap();
    let (a, b) = (a.state(), b.state());
    for (name, tensor) in &a {
        assert_close(tensor, &b[name], 0.0, 0.0);
    }
    let weight = a["net.layers.0.weight"].to_dtype(DType::F64).unwrap();
    let bound = 1.0 / 101f64.sqrt();
    let largest = weight
        .abs()
        .unwrap()
        .max_all()
        .unwrap()
        .to_scalar::<f64>()
        .unwrap();
    let variance = weight
        .sqr()
        .unwrap()
        .mean_all()
        .unwrap()
        .to_scalar::<f64>()
        .unwrap();
    assert!(largest <= bound && largest > 0.99 * bound);
    assert!((variance - bound * bound / 3.0).abs() < 0.02 * bound * bound);
}

#[test]
fn safetensors_go_round_in_every_dtype() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16] {
        let a = store(dtype);
        config().build(&a.builder()).unwrap();
        a.save(&path).unwrap();
        let b = ParameterStore::new(Key::from_seed(9), dtype, device());
        config().build(&b.builder()).unwrap();
        b.load(&path).unwrap();
        for (name, tensor) in a.state() {
            assert_close(&b.state()[&name], &tensor, 0.0, 0.0);
        }
        // candle reads the same file.
        let file = candle_core::safetensors::load(&path, device()).unwrap();
        assert_eq!(file.len(), a.parameters().len());
    }
}

#[test]
fn files_of_other_networks_are_refused_and_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    let refused = |changed: MlpConfig, dtype: DType, word: &str| {
        let other = store(dtype);
        changed.build(&other.builder()).unwrap();
        other.save(&path).unwrap();
        let mine = ParameterStore::new(Key::from_seed(5), DType::F32, device());
        config().build(&mine.builder()).unwrap();
        let before = mine.duplicate().unwrap().state();
        let message = mine.load(&path).unwrap_err().to_string();
        assert!(
            message.contains("net.safetensors") && message.contains(word),
            "{message}"
        );
        for (name, tensor) in mine.state() {
            assert_close(&tensor, &before[&name], 0.0, 0.0);
        }
    };
    refused(
        config().hidden(&[5, 6]),
        DType::F32,
        "layers.1.weight [6, 5] in place of",
    );
    refused(
        config().hidden(&[5]),
        DType::F32,
        "layers.1.weight [3, 5] in place of",
    );
    refused(config().hidden(&[5, 4, 3]), DType::F32, "layers.3.bias");
    refused(config(), DType::F64, "F64");
    std::fs::write(&path, b"not safetensors").unwrap();
    assert!(matches!(
        store(DType::F32).load(&path),
        Err(Error::File { .. })
    ));
    assert!(matches!(
        store(DType::F32).load(folder.path().join("none")),
        Err(Error::File { .. })
    ));
}

#[test]
fn bad_arguments_are_typed_errors() {
    let store = store(DType::F32);
    let net = config().build(&store.builder()).unwrap();
    let (x, t, labels) = batch(DType::F32);
    let shape = |r: advect_core::Result<Tensor>, name: &str| match r {
        Err(Error::Shape { argument, .. }) => assert_eq!(argument, name),
        other => panic!("{other:?}"),
    };
    shape(net.at(&t, &x.narrow(1, 0, 2).unwrap()), "x");
    shape(net.at(&t, &x.narrow(0, 0, 3).unwrap()), "t");
    shape(
        net.given(&labels.narrow(0, 0, 2).unwrap()).at(&t, &x),
        "condition",
    );
    assert!(matches!(
        net.at(&t, &x.narrow(0, 0, 0).unwrap()),
        Err(Error::Empty { .. })
    ));
    let double = x.to_dtype(DType::F64).unwrap();
    assert!(matches!(net.at(&t, &double), Err(Error::DType { argument, .. }) if argument == "x"));
    let outside = Tensor::new(&[0u32, 1, 2, 4], device()).unwrap();
    let error = net.given(&outside).at(&t, &x).unwrap_err().to_string();
    assert_eq!(error, "condition: got 4, expected a label in 0..4");
    let plain = Mlp::config(3).build(&store.builder().pp("plain")).unwrap();
    assert!(matches!(
        plain.given(&labels).at(&t, &x),
        Err(Error::Range { .. })
    ));
    assert!(Mlp::config(0).build(&store.builder().pp("a")).is_err());
    assert!(
        Mlp::config(2)
            .hidden(&[4, 0])
            .build(&store.builder().pp("b"))
            .is_err()
    );
    // The same name with another shape.
    assert!(Mlp::config(3).hidden(&[7]).build(&store.builder()).is_err());
}
