//! Every autoregressive model: probabilities that sum to 1, causality, one token at a time against whole sequences, gradients.

mod arguments;
mod masked_autoencoder;
mod pytorch;
mod sampling;

use advect_classics::autoregressive::{
    Autoregressive, CausalTransformer, MaskedAutoencoder, RecurrentModel,
};
use advect_core::Key;
use advect_core::testing::{assert_close, device};
use advect_nn::{Activation, ParameterStore};
use candle_core::{DType, Tensor};

use crate::common::{scalar, vector};
use crate::differences::{assert_gradients, spread};

fn store(dtype: DType) -> ParameterStore {
    ParameterStore::new(Key::from_seed(0), dtype, device())
}

fn transformer(vocabulary: usize, dtype: DType) -> (ParameterStore, CausalTransformer) {
    let store = store(dtype);
    let config = CausalTransformer::config(vocabulary, 9);
    let model = config.width(4).heads(2).layers(2).build(&store.builder());
    spread(&store, 0.5);
    (store, model.unwrap())
}

fn recurrent(vocabulary: usize, dtype: DType) -> (ParameterStore, RecurrentModel) {
    let store = store(dtype);
    let model = RecurrentModel::new(vocabulary, 3, 2, &store.builder());
    spread(&store, 0.5);
    (store, model.unwrap())
}

fn made(length: usize, vocabulary: usize, dtype: DType) -> (ParameterStore, MaskedAutoencoder) {
    let store = store(dtype);
    let (hidden, builder) = ([8, 7], store.builder());
    let model = MaskedAutoencoder::new(length, vocabulary, &hidden, Activation::Tanh, &builder);
    spread(&store, 0.8);
    (store, model.unwrap())
}

/// All sequences of a length, the last token changing fastest.
fn sequences(vocabulary: usize, length: usize) -> Tensor {
    let count = vocabulary.pow(length as u32);
    let token =
        |k: usize, i: usize| (k / vocabulary.pow((length - 1 - i) as u32) % vocabulary) as u32;
    let tokens = (0..count).flat_map(|k| (0..length).map(move |i| token(k, i)));
    let tokens: Vec<u32> = tokens.collect();
    Tensor::from_vec(tokens, (count, length), device()).unwrap()
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    let difference = (a - b).unwrap().abs().unwrap();
    scalar(&difference.flatten_all().unwrap().max(0).unwrap())
}

/// What holds for a model of a vocabulary and sequences of a length.
fn contract<A: Autoregressive>(model: &A, length: usize) {
    let vocabulary = model.vocabulary();
    let all = sequences(vocabulary, length);
    let log_likelihood = model.log_likelihood(&all).unwrap();
    let p = vector(&log_likelihood.exp().unwrap());
    assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    let (least, most) = p
        .iter()
        .fold((1f64, 0f64), |(a, b), p| (a.min(*p), b.max(*p)));
    assert!(most > 3.0 * least, "the model is nearly uniform");

    // Tokens of later places change no logits of earlier ones and of their own.
    let tokens = Tensor::new(&[[1u32, 0, 0, 1, 0, 1, 1, 0]], device()).unwrap();
    let tokens = tokens.narrow(1, 0, length).unwrap();
    let logits = model.logits(&tokens).unwrap();
    for place in 0..length {
        let mut other = tokens.to_vec2::<u32>().unwrap();
        other[0][place] = 1 - other[0][place];
        let changed = model
            .logits(&Tensor::new(other, device()).unwrap())
            .unwrap();
        let up_to = |x: &Tensor| x.narrow(1, 0, place + 1).unwrap();
        assert!(
            largest_difference(&up_to(&changed), &up_to(&logits)) < 1e-14,
            "{place}"
        );
        if place + 1 < length {
            let next = |x: &Tensor| x.narrow(1, place + 1, 1).unwrap();
            assert!(
                largest_difference(&next(&changed), &next(&logits)) > 1e-4,
                "{place}"
            );
        }
    }

    // One token at a time.
    let some = sequences(vocabulary, length).narrow(0, 1, 5).unwrap();
    let whole = model.logits(&some).unwrap();
    let (mut state, mut logits) = model.start(5).unwrap();
    for i in 0..length {
        assert!(
            largest_difference(&logits, &whole.narrow(1, i, 1).unwrap().squeeze(1).unwrap())
                < 1e-13
        );
        assert!(!logits.track_op());
        if i + 1 < length {
            let token = some.narrow(1, i, 1).unwrap().squeeze(1).unwrap();
            (state, logits) = model.step(state, &token).unwrap();
        }
    }

    // Loss and likelihood.
    let loss = scalar(&model.cross_entropy(&some).unwrap());
    let mean = scalar(&model.log_likelihood(&some).unwrap().mean_all().unwrap());
    assert!((loss + mean / length as f64).abs() < 1e-14);
}

#[test]
fn contracts() {
    contract(&transformer(2, DType::F64).1, 8);
    contract(&transformer(3, DType::F64).1, 5);
    contract(&recurrent(2, DType::F64).1, 8);
    contract(&recurrent(3, DType::F64).1, 5);
    contract(&made(8, 2, DType::F64).1, 8);
    contract(&made(5, 3, DType::F64).1, 5);
}

#[test]
fn gradients() {
    let tokens = Tensor::new(&[[1u32, 0, 2, 2], [0, 1, 1, 2]], device()).unwrap();
    let (store, model) = recurrent(3, DType::F64);
    assert_gradients(&store, || model.cross_entropy(&tokens), 1e-8);
    let (store, model) = made(4, 3, DType::F64);
    assert_gradients(&store, || model.cross_entropy(&tokens), 1e-8);
    let (store, model) = transformer(3, DType::F64);
    assert_gradients(&store, || model.cross_entropy(&tokens), 1e-7);
}

#[test]
fn single_precision_agrees() {
    let tokens = sequences(2, 5).narrow(0, 3, 4).unwrap();
    let close = |a: &Tensor, b: &Tensor| {
        assert_eq!(a.dtype(), DType::F32);
        assert_close(a, b, 1e-4, 1e-4);
    };
    let (single, double) = (transformer(2, DType::F32).1, transformer(2, DType::F64).1);
    close(
        &single.log_likelihood(&tokens).unwrap(),
        &double.log_likelihood(&tokens).unwrap(),
    );
    let (single, double) = (recurrent(2, DType::F32).1, recurrent(2, DType::F64).1);
    close(
        &single.log_likelihood(&tokens).unwrap(),
        &double.log_likelihood(&tokens).unwrap(),
    );
    let (single, double) = (made(5, 2, DType::F32).1, made(5, 2, DType::F64).1);
    close(
        &single.log_likelihood(&tokens).unwrap(),
        &double.log_likelihood(&tokens).unwrap(),
    );
    // Other integers.
    let wide = double
        .log_likelihood(&tokens.to_dtype(DType::I64).unwrap())
        .unwrap();
    assert_close(&wide, &double.log_likelihood(&tokens).unwrap(), 0.0, 0.0);
}
