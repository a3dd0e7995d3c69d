//! Arguments that don't fit are named.

use advect_classics::autoregressive::{
    Autoregressive, CausalTransformer, GatedRecurrentUnit, MaskedAutoencoder, RecurrentModel,
    TokenSampling,
};
use advect_core::Generator;
use advect_core::testing::device;
use advect_nn::Activation;
use candle_core::{DType, Tensor};

use super::{made, store, transformer};
use crate::common::{message, normal};

#[test]
fn what_does_not_fit_is_told() {
    let (_, model) = transformer(3, DType::F64);
    let mut rng = Generator::from_seed(0);
    let tokens = |tokens: &[[u32; 2]; 1]| Tensor::new(tokens, device()).unwrap();
    assert!(
        message(model.logits(&tokens(&[[0, 3]])))
            .starts_with("tokens: got 3, expected a label in 0..3")
    );
    assert!(
        message(model.logits(&tokens(&[[0, 1]]).to_dtype(DType::F32).unwrap()))
            .starts_with("tokens: got dtype F32")
    );
    assert!(
        message(model.logits(&tokens(&[[0, 1]]).get(0).unwrap()))
            .starts_with("tokens: got shape [2]")
    );
    assert!(
        message(model.logits(&tokens(&[[0, 1]]).narrow(0, 0, 0).unwrap()))
            .starts_with("tokens: got an empty batch")
    );
    assert!(
        message(model.logits(&Tensor::zeros((1, 10), DType::U32, device()).unwrap()))
            .starts_with("length: got 10, expected at most 9")
    );
    assert!(
        message(model.sample(1, 10, &TokenSampling::new(), &mut rng)).starts_with("length: got 10")
    );
    assert!(
        message(model.sample(0, 1, &TokenSampling::new(), &mut rng)).starts_with("count: got 0")
    );
    assert!(
        message(model.sample(1, 0, &TokenSampling::new(), &mut rng)).starts_with("length: got 0")
    );
    assert!(
        message(model.complete(&tokens(&[[0, 1]]), 2, &TokenSampling::new(), &mut rng))
            .starts_with("length: got 2")
    );
    let (_, made) = made(3, 2, DType::F64);
    assert!(
        message(made.logits(&tokens(&[[0, 1]])))
            .starts_with("tokens: got shape [1, 2], expected (batch, 3)")
    );
    assert!(
        message(made.sample(1, 4, &TokenSampling::new(), &mut rng)).starts_with("length: got 4")
    );
    let store = store(DType::F64);
    let builder = store.builder();
    assert!(
        message(CausalTransformer::config(3, 4).width(6).build(&builder))
            .starts_with("width: got 6, expected a multiple of the 4 heads")
    );
    assert!(
        message(MaskedAutoencoder::new(
            3,
            1,
            &[4],
            Activation::Relu,
            &builder
        ))
        .starts_with("vocabulary: got 1")
    );
    assert!(message(RecurrentModel::new(0, 4, 1, &builder)).starts_with("vocabulary: got 0"));
    let gru = GatedRecurrentUnit::new(3, 4, 1, &builder).unwrap();
    let x = normal(&[2, 5, 3], 1.0, 0);
    assert!(
        message(gru.forward(&x, &normal(&[1, 2, 3], 1.0, 0)))
            .starts_with("state: got shape [1, 2, 3], expected (1, 2, 4)")
    );
    assert!(
        message(gru.forward(&normal(&[2, 3], 1.0, 0), &gru.zeros(&x).unwrap()))
            .starts_with("x: got shape [2, 3]")
    );
    let none = x.narrow(1, 0, 0).unwrap();
    assert!(message(gru.forward(&none, &gru.zeros(&x).unwrap())).starts_with("x: got"));
    assert!(message(TokenSampling::new().temperature(0.0)).starts_with("temperature: got 0"));
    assert!(message(TokenSampling::new().top_k(0)).starts_with("top_k: got 0"));
    assert!(message(TokenSampling::new().top_p(f64::NAN)).starts_with("top_p: got NaN"));
    let nan = Tensor::new(&[[0.0, f64::NAN]], device()).unwrap();
    assert!(
        message(TokenSampling::new().probabilities(&nan))
            .starts_with("logits: got NaN at flat index 1")
    );
    assert!(
        message(TokenSampling::new().probabilities(&nan.get(0).unwrap()))
            .starts_with("logits: got shape [2]")
    );
    let none = Tensor::full(f64::NEG_INFINITY, (1, 2), device()).unwrap();
    assert!(message(TokenSampling::new().probabilities(&none)).starts_with("logits: got -inf"));
}
