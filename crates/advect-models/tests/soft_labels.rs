//! Weights of classes in the place of labels: unit rows are the labels, features are linear in the weights, "none" is a row as well.

use advect_core::testing::{assert_close, device, gradient};
use advect_core::{Conditional, Key, Time, check, shape};
use advect_models::{DhariwalUNet, DiffusionTransformer, Edm2UNet, Mlp, SongUNet, UNet};
use advect_nn::{ClassEmbedding, NoClass, ParameterStore};
use candle_core::{DType, Tensor, Var};

use crate::derivatives::{normal, number, randomize};

const SHAPE: [usize; 4] = [3, 2, 4, 4];

fn store() -> ParameterStore {
    ParameterStore::new(Key::from_seed(0), DType::F64, device())
}

/// Checks a network of three classes whose rows have `width` weights.
fn check<N: Conditional>(
    name: &str,
    net: &N,
    store: &ParameterStore,
    shape: &[usize],
    width: usize,
) {
    randomize(store);
    let (x, t) = (normal(1, shape), Time::Shared(0.3));
    let at = |condition: &Tensor| net.at_given(&t, &x, condition).unwrap();
    // Label 3 means "none".
    for labels in [[0u32, 2, 1], [3, 0, 3]] {
        let labels = Tensor::new(&labels, device()).unwrap();
        let rows = shape::one_hot(&labels, width, DType::F64).unwrap();
        assert_close(&at(&rows), &at(&labels), 1e-12, 1e-12);
    }
    let none = net.no_condition(&x).unwrap();
    let rows = normal(2, &[3, width]);
    let (rows, unit) = check::condition("condition", &rows, &none).unwrap();
    assert_close(&at(&unit), &at(&none), 1e-12, 1e-12);
    assert!(
        number(
            &(at(&rows) - at(&none))
                .unwrap()
                .abs()
                .unwrap()
                .max_all()
                .unwrap()
        ) > 1e-3
    );

    // Weights have gradients.
    let loss = |rows: &Tensor| at(rows).sqr().unwrap().mean_all().unwrap();
    let var = Var::from_tensor(&rows).unwrap();
    let ours = loss(&var).backward().unwrap();
    let numeric = gradient(|rows| Ok(number(&loss(rows).detach())), &rows, 1e-3).unwrap();
    assert_close(ours.get(&var).unwrap(), &numeric, 1e-6, 1e-8);

    let refused = |rows: Tensor| {
        let error = net.at_given(&t, &x, &rows).unwrap_err().to_string();
        assert!(error.starts_with("condition: "), "{name}: {error}");
    };
    refused(normal(2, &[3, width + 1]));
    refused(normal(2, &[3, width - 1]));
    refused(normal(2, &[2, width]));
    refused(normal(2, &[3]));
    refused(rows.to_dtype(DType::F32).unwrap());
    refused((rows * f64::NAN).unwrap());
}

#[test]
fn networks_take_weights_of_classes() {
    let s = store();
    let net = SongUNet::config(2, 4)
        .channels(4)
        .multipliers(&[1])
        .blocks(1);
    let net = net.classes(3).build(&s.builder()).unwrap();
    check("SongUNet", &net, &s, &SHAPE, 3);
    let s = store();
    let net = DhariwalUNet::config(2, 4)
        .channels(4)
        .multipliers(&[1])
        .blocks(1);
    let net = net.head_channels(4).classes(3).build(&s.builder()).unwrap();
    check("DhariwalUNet", &net, &s, &SHAPE, 3);
    let s = store();
    let net = Edm2UNet::config(2, 4)
        .channels(4)
        .multipliers(&[1])
        .blocks(1);
    let net = net.head_channels(4).classes(3).build(&s.builder()).unwrap();
    check("Edm2UNet", &net, &s, &SHAPE, 3);
    let s = store();
    let net = UNet::config(&[2, 4, 4])
        .groups(1)
        .channels(4)
        .multipliers(&[1.0])
        .blocks(1);
    let net = net.classes(3).build(&s.builder()).unwrap();
    check("UNet", &net, &s, &SHAPE, 3);
    let transformer = || {
        DiffusionTransformer::config(&[2, 4, 4], 2)
            .width(8)
            .depth(1)
            .heads(2)
    };
    let s = store();
    let net = transformer().classes(3).build(&s.builder()).unwrap();
    check("DiffusionTransformer", &net, &s, &SHAPE, 4);
    let s = store();
    let net = Mlp::config(2)
        .hidden(&[6])
        .classes(3)
        .build(&s.builder())
        .unwrap();
    check("Mlp", &net, &s, &[3, 2], 4);
}

#[test]
fn weights_are_dropped_like_labels() {
    let s = store();
    let net = SongUNet::config(2, 4)
        .channels(4)
        .multipliers(&[1])
        .blocks(1);
    let net = net.dropout(0.0).label_dropout(0.5).classes(3);
    let net = net.build(&s.builder()).unwrap();
    randomize(&s);
    let (x, t) = (normal(1, &SHAPE), Time::Shared(0.3));
    let labels = Tensor::new(&[0u32, 1, 2], device()).unwrap();
    let rows = shape::one_hot(&labels, 3, DType::F64).unwrap();
    let none = net.no_condition(&x).unwrap();
    let [known, unknown] = [&rows, &none].map(|c| net.at_given(&t, &x, c).unwrap());
    let mut dropped = 0;
    for seed in 0..8 {
        let training = net.dropping(Key::from_seed(seed));
        let y = training.at_given(&t, &x, &rows).unwrap();
        assert_close(
            &y,
            &training.at_given(&t, &x, &labels).unwrap(),
            1e-12,
            1e-12,
        );
        for i in 0..3 {
            let apart = |other: &Tensor| {
                let change = (y.get(i).unwrap() - other.get(i).unwrap()).unwrap();
                number(&change.abs().unwrap().max_all().unwrap())
            };
            let (from_known, from_unknown) = (apart(&known), apart(&unknown));
            assert!(from_known.min(from_unknown) < 1e-12);
            dropped += usize::from(from_unknown < 1e-12);
        }
    }
    assert!((3..22).contains(&dropped), "{dropped}");
}

#[test]
fn features_are_summed_by_weights() {
    for (none, width) in [(NoClass::Zero, 3), (NoClass::Learned, 4)] {
        let s = store();
        let classes = ClassEmbedding::new(3, 5, none, "table", &s.builder()).unwrap();
        let rows = normal(1, &[2, width]);
        let all = Tensor::arange(0u32, width as u32, device()).unwrap();
        let expected = rows.matmul(&classes.embed(&all).unwrap()).unwrap();
        assert_close(&classes.embed(&rows).unwrap(), &expected, 1e-13, 1e-13);
    }
}
