//! How a masked autoencoder begins.

use advect_classics::autoregressive::{Autoregressive, MaskedAutoencoder};
use advect_core::testing::device;
use advect_nn::Activation;
use candle_core::{DType, Tensor};

use super::made;
use crate::common::{message, vector};

/// The output biases become the logits of the tokens' shares, so that the first token has these exactly, and with weights of 0 all places do.
#[test]
fn initial_biases_are_shares_of_the_data() {
    let (store, model) = made(3, 3, DType::F64);
    let data = [[0u32, 2, 1], [0, 2, 1], [0, 1, 1], [0, 2, 0], [2, 2, 1]];
    let data = Tensor::new(&data, device()).unwrap();
    let others: Vec<Tensor> = store
        .parameters()
        .iter()
        .map(|(_, v)| v.copy().unwrap())
        .collect();
    model.initialize(&data).unwrap();
    let share = |count: f64| (count + 0.5) / (5.0 + 1.5);
    let (_, first) = model.start(1).unwrap();
    let first = vector(&first.exp().unwrap());
    let sum: f64 = first.iter().sum();
    for (p, count) in first.iter().zip([4.0, 0.0, 1.0]) {
        assert!((p / sum - share(count)).abs() < 1e-14, "{p} {count}");
    }
    // All else stays.
    let last = "layers.2.bias";
    for ((name, var), before) in store.parameters().iter().zip(&others) {
        let same = vector(var) == vector(before);
        assert_eq!(same, name != last, "{name}");
    }
    let weight = "layers.2.weight";
    let (_, weight) = store
        .parameters()
        .into_iter()
        .find(|(n, _)| n == weight)
        .unwrap();
    weight.set(&weight.zeros_like().unwrap()).unwrap();
    let one = Tensor::new(&[[1u32, 2, 0]], device()).unwrap();
    let expected = share(0.0) * share(4.0) * share(1.0);
    let found = vector(&model.log_likelihood(&one).unwrap().exp().unwrap())[0];
    assert!((found - expected).abs() < 1e-15, "{found} {expected}");

    let frozen = MaskedAutoencoder::new(3, 3, &[8, 7], Activation::Tanh, &store.frozen()).unwrap();
    assert!(message(frozen.initialize(&data)).starts_with("the model: got frozen parameters"));
    let short = data.narrow(1, 0, 2).unwrap();
    assert!(message(model.initialize(&short)).starts_with("tokens: got shape [5, 2]"));
}
