//! The U-Net as a field: sizes, derivatives, classes, dropout, initialisation, and what bad input gets.

use advect_core::testing::{assert_close, device};
use advect_core::{Conditional, Error, Field, Jvp, Key, Result, Time};
use advect_models::{UNet, UNetConfig};
use advect_nn::{ClassEmbedding, NoClass, ParameterStore, State, Stateful};
use candle_core::{DType, Tensor};

use crate::derivatives::{check, normal, number, randomize};

fn store(dtype: DType) -> ParameterStore {
    ParameterStore::new(Key::from_seed(0), dtype, device())
}

/// A small network for images or sequences.
fn small(dim: &[usize]) -> UNetConfig {
    let config = UNet::config(dim)
        .channels(8)
        .groups(4)
        .blocks(1)
        .multipliers(&[1.0, 2.0]);
    config.attention(&[dim[dim.len() - 1] / 2]).heads(2)
}

/// Every kind of network: its value and derivative along a direction, checked by finite differences; its gradients, checked
/// against the derivative; and its cost.
#[test]
fn every_option_has_its_derivatives() {
    let configs = [
        (small(&[2, 8, 8]), vec![3, 2, 8, 8]),
        (
            small(&[1, 8, 4]).scale_shift(true).resample_in_blocks(true),
            vec![2, 1, 8, 4],
        ),
        (
            small(&[3, 12]).scale_shift(true).time_scale(10.0),
            vec![2, 3, 12],
        ),
        (
            small(&[1, 6]).resample_in_blocks(true).heads_upwards(1),
            vec![1, 1, 6],
        ),
        (
            small(&[2, 8, 8]).head_channels(4).outputs(2),
            vec![1, 2, 12, 4],
        ),
    ];
    for (config, shape) in configs {
        let store = store(DType::F64);
        let net = config.classes(3).build(&store.builder()).unwrap();
        randomize(&store);
        assert_eq!(net.cost().parameters, store.element_count());
        let labels: Vec<u32> = (0..shape[0] as u32).map(|i| i % 4).collect();
        let labels = Tensor::new(labels, device()).unwrap();
        check(&net, &store, &shape, &labels);
    }
}

#[test]
fn no_class_adds_nothing_and_the_twin_follows() {
    let store = store(DType::F32);
    let net = small(&[1, 8, 8])
        .classes(3)
        .build(&store.builder())
        .unwrap();
    let x = normal(1, &[2, 1, 8, 8]).to_dtype(DType::F32).unwrap();
    let t = Time::Shared(0.5);
    // The last layers begin as zeros.
    assert_eq!(
        number(&net.at(&t, &x).unwrap().abs().unwrap().sum_all().unwrap()),
        0.0
    );
    randomize(&store);
    let none = net.no_condition(&x).unwrap();
    assert_eq!(none.to_vec1::<u32>().unwrap(), [3, 3]);
    let plain = net.at(&t, &x).unwrap();
    assert_close(&net.at_given(&t, &x, &none).unwrap(), &plain, 0.0, 0.0);
    let first = Tensor::new(&[0u32, 0], device()).unwrap();
    let other = (net.at_given(&t, &x, &first).unwrap() - &plain).unwrap();
    assert!(number(&other.abs().unwrap().sum_all().unwrap()) > 0.1);

    let twin = net.on(&store.frozen()).unwrap();
    let y = twin.at(&t, &x).unwrap();
    assert!(!y.track_op() && plain.track_op());
    assert_close(&y, &plain, 0.0, 0.0);
    randomize(&store);
    assert_close(
        &twin.at(&t, &x).unwrap(),
        &net.at(&t, &x).unwrap(),
        0.0,
        0.0,
    );
    // A sample's value does not depend on the others.
    let alone = twin.at(&t, &x.narrow(0, 1, 1).unwrap()).unwrap();
    assert_close(
        &alone,
        &twin.at(&t, &x).unwrap().narrow(0, 1, 1).unwrap(),
        1e-5,
        1e-5,
    );
}

#[test]
fn dropout_is_a_function_of_the_key() {
    let store = store(DType::F64);
    let net = small(&[1, 8, 8])
        .dropout(0.5)
        .build(&store.builder())
        .unwrap();
    randomize(&store);
    let (x, t) = (normal(1, &[2, 1, 8, 8]), Time::Shared(0.5));
    let [a, b] = [0, 1].map(|seed| net.dropping(Key::from_seed(seed)));
    let differ = |p: &UNet, q: &UNet| {
        let difference = (p.at(&t, &x).unwrap() - q.at(&t, &x).unwrap()).unwrap();
        number(&difference.abs().unwrap().sum_all().unwrap()) > 0.1
    };
    assert!(!differ(&a, &a) && differ(&a, &b) && differ(&a, &net));
    assert!(!differ(&net, &a.on(&store.frozen()).unwrap()));
    // The derivative is that of the same features.
    let dx = normal(2, &[2, 1, 8, 8]);
    let value = |h: f64| a.at(&t, &(&x + (&dx * h).unwrap()).unwrap()).unwrap();
    let numeric = ((value(1e-5) - value(-1e-5)).unwrap() / 2e-5).unwrap();
    let (_, along) = a.jvp(&t, &x, 0.0, &dx).unwrap();
    assert_close(&along, &numeric, 1e-6, 1e-6);
    assert!(matches!(
        small(&[1, 8, 8]).dropout(1.5).build(&store.builder()),
        Err(Error::Range { .. })
    ));
}

/// PyTorch's laws: uniform on ±1/√fan-in for convolutions and linear layers, standard normal for classes, ones and zeros.
#[test]
fn initial_values_follow_the_laws_of_pytorch() {
    let store = store(DType::F64);
    UNet::config(&[3, 16, 16])
        .multipliers(&[1.0, 2.0])
        .channels(64)
        .classes(10)
        .build(&store.builder())
        .unwrap();
    let mut seen = [0; 4];
    for (name, var) in store.parameters() {
        let values = var.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let count = values.len() as f64;
        let variance = values.iter().map(|v| v * v).sum::<f64>() / count;
        let largest = values.iter().fold(0f64, |m, v| m.max(v.abs()));
        let zero = ["out_layers.3", "proj_out", "out.2"]
            .iter()
            .any(|part| name.contains(part));
        let tolerance = 5.0 / count.sqrt();
        if zero {
            seen[0] += 1;
            assert_eq!(largest, 0.0, "{name}");
        } else if name == "label_emb.weight" {
            seen[1] += 1;
            assert!(
                (variance - 1.0).abs() < 2.0 * tolerance,
                "{name}: {variance}"
            );
        } else if name.ends_with("weight") && var.rank() > 1 {
            seen[2] += 1;
            let bound = 1.0 / (count / var.dims()[0] as f64).sqrt();
            assert!(
                largest <= bound && largest > bound * (1.0 - 20.0 / count),
                "{name}: {largest} {bound}"
            );
            assert!(
                (3.0 * variance / bound.powi(2) - 1.0).abs() < tolerance,
                "{name}"
            );
        } else if ["in_layers.0", "out_layers.0", "norm", "out.0"]
            .iter()
            .any(|part| name.contains(part))
        {
            seen[3] += 1;
            let expected = if name.ends_with("weight") { 1.0 } else { 0.0 };
            assert!(values.iter().all(|&v| v == expected), "{name}");
        }
    }
    assert!(seen.iter().all(|&count| count > 0), "{seen:?}");
}

#[test]
fn bad_input_is_a_typed_error() {
    let parameters = store(DType::F32);
    let builder = parameters.builder();
    let range = |config: UNetConfig, argument: &str| match config.build(&builder) {
        Err(Error::Range { argument: name, .. }) => assert_eq!(name, argument),
        other => panic!("{argument}: {other:?}"),
    };
    let plain = || {
        UNet::config(&[3, 16, 16])
            .channels(32)
            .multipliers(&[1.0, 2.0])
    };
    range(UNet::config(&[3]), "dim");
    range(UNet::config(&[3, 0, 4]), "dim");
    range(plain().channels(0), "channels");
    range(plain().channels(24), "multipliers");
    range(plain().multipliers(&[]), "multipliers");
    range(plain().multipliers(&[f64::NAN]), "multipliers");
    range(
        plain().groups(1).multipliers(&[f64::INFINITY]),
        "multipliers",
    );
    range(plain().multipliers(&[1.0; 65]), "multipliers");
    range(plain().blocks(0), "blocks");
    range(plain().outputs(0), "outputs");
    range(plain().attention(&[5]), "attention");
    range(plain().attention(&[0]), "attention");
    range(plain().heads(3), "heads");
    range(plain().head_channels(24), "head_channels");
    range(plain().heads(0), "heads");
    range(plain().groups(0), "groups");
    range(plain().dropout(-0.1), "dropout");
    range(plain().time_scale(f64::INFINITY), "time_scale");
    let odd = UNet::config(&[3, 16, 15])
        .channels(32)
        .multipliers(&[1.0, 2.0]);
    assert!(matches!(odd.build(&builder), Err(Error::Shape { .. })));

    let net = plain().classes(5).build(&builder).unwrap();
    let x = Tensor::zeros((2, 3, 16, 16), DType::F32, device()).unwrap();
    let t = Time::Shared(0.5);
    let shape = |x: &Tensor| {
        let found: Result<Tensor> = net.at(&t, x);
        assert!(
            matches!(&found, Err(Error::Shape { argument, .. }) if argument == "x"),
            "{found:?}"
        );
    };
    shape(&x.narrow(1, 0, 2).unwrap());
    shape(&x.narrow(3, 0, 15).unwrap());
    assert!(net.at(&t, &x.narrow(2, 0, 0).unwrap()).is_err());
    shape(&x.get(0).unwrap());
    assert!(matches!(
        net.at(&t, &x.to_dtype(DType::F64).unwrap()),
        Err(Error::DType { .. })
    ));
    assert!(net.at(&t, &x.narrow(0, 0, 0).unwrap()).is_err());
    assert!(net.at(&Time::per_sample(&[0.1; 3]).unwrap(), &x).is_err());
    for labels in [&[0u32, 6][..], &[0, 1, 2]] {
        let labels = Tensor::new(labels, device()).unwrap();
        assert!(net.at_given(&t, &x, &labels).is_err());
    }
    let unlabelled = plain().build(&store(DType::F32).builder()).unwrap();
    assert!(
        unlabelled
            .at_given(&t, &x, &Tensor::new(&[0u32, 1], device()).unwrap())
            .is_err()
    );
}

#[test]
fn a_state_that_does_not_fit_is_refused_with_all_that_is_wrong() {
    let parameters = store(DType::F32);
    small(&[1, 8, 8]).build(&parameters.builder()).unwrap();
    let mut state: State = parameters.state();
    let entry = state.remove("input_blocks.0.0.weight").unwrap();
    state.insert("time_embed.0.bias".into(), entry.clone());
    state.insert("stray".into(), entry.clone());
    state.insert(
        "out.0.weight".into(),
        state["out.0.weight"].to_dtype(DType::F64).unwrap(),
    );
    let before = parameters.state()["out.0.bias"].to_vec1::<f32>().unwrap();
    let message = parameters.restore(&state).unwrap_err().to_string();
    for part in [
        "4 tensors",
        "1 missing: input_blocks.0.0.weight;",
        "1 of another shape: time_embed.0.bias [",
        "1 not known: stray;",
        "1 of another dtype: out.0.weight F64 in place of F32",
    ] {
        assert!(message.contains(part), "{part} is not in {message}");
    }
    assert_eq!(
        parameters.state()["out.0.bias"].to_vec1::<f32>().unwrap(),
        before
    );
    // Through a file, which is named.
    let path = std::env::temp_dir().join(format!("advect-unet-{}.safetensors", std::process::id()));
    candle_core::safetensors::save(&state.into_iter().collect(), &path).unwrap();
    let error = parameters.load(&path).unwrap_err();
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(&error, Error::File { path: p, .. } if *p == path));
    assert!(error.to_string().contains("stray"));
}

/// Values that lie in the storage of the very variables they go to are taken over as they were.
#[test]
fn a_state_may_share_storage_with_what_it_restores() {
    let store = store(DType::F32);
    let builder = store.builder();
    let init = candle_nn::Init::Uniform { lo: -1.0, up: 1.0 };
    for name in ["a", "b"] {
        builder.get_with_hints(5, name, init).unwrap();
    }
    let mut state = store.state();
    let numbers = |state: &State, name: &str| state[name].to_vec1::<f32>().unwrap();
    let (a, b) = (numbers(&state, "a"), numbers(&state, "b"));
    let swapped = state.insert("b".into(), state["a"].clone()).unwrap();
    state.insert("a".into(), swapped);
    store.restore(&state).unwrap();
    let now = store.state();
    assert_eq!((numbers(&now, "a"), numbers(&now, "b")), (b, a));
}

#[test]
fn classes_have_rows_and_none_has_a_row_or_zeros() {
    let store = store(DType::F64);
    let rows = |x: Result<Tensor>| x.unwrap().to_vec2::<f64>().unwrap();
    for (none, name) in [(NoClass::Learned, "learned"), (NoClass::Zero, "zero")] {
        let classes = ClassEmbedding::new(3, 4, none, name, &store.builder()).unwrap();
        let table = store.state()[name].to_vec2::<f64>().unwrap();
        let last = match none {
            NoClass::Learned => table[3].clone(),
            NoClass::Zero => vec![0.0; 4],
        };
        assert_eq!(classes.classes(), 3);
        assert_eq!(classes.cost().parameters, 4 * table.len());
        assert_eq!(rows(classes.of_none()), std::slice::from_ref(&last));
        let labels = Tensor::new(&[2i64, 3, 0, 2], device()).unwrap();
        let expected = [&table[2], &last, &table[0], &table[2]].map(Vec::clone);
        assert_eq!(rows(classes.embed(&labels)), expected);
        assert!(classes.embed(&labels).unwrap().track_op());
        let beyond = Tensor::new(&[4u32], device()).unwrap();
        for wrong in [beyond, Tensor::new(0u32, device()).unwrap()] {
            let error = classes.embed(&wrong).unwrap_err().to_string();
            assert!(error.contains("condition"), "{error}");
        }
        let builder = store.builder();
        assert!(ClassEmbedding::new(0, 4, none, "none", &builder).is_err());
        assert!(ClassEmbedding::new(4, 0, none, "none", &builder).is_err());
    }
}
