//! Every autoregressive model: probabilities that sum to 1, causality, one token at a time against whole sequences, gradients; how tokens are drawn; numbers of PyTorch.

use advect_classics::autoregressive::{
    Autoregressive, CausalTransformer, GatedRecurrentUnit, MaskedAutoencoder, RecurrentModel,
    TokenSampling,
};
use advect_core::testing::assert_close;
use advect_core::{Generator, Key};
use advect_nn::{Activation, ParameterStore};
use candle_core::{DType, Device, Tensor};

use crate::common::{message, normal, scalar, vector};
use crate::differences::{assert_gradients, spread};

fn store(dtype: DType) -> ParameterStore {
    ParameterStore::new(Key::from_seed(0), dtype, &Device::Cpu)
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
    Tensor::from_vec(tokens, (count, length), &Device::Cpu).unwrap()
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
    let tokens = Tensor::new(&[[1u32, 0, 0, 1, 0, 1, 1, 0]], &Device::Cpu).unwrap();
    let tokens = tokens.narrow(1, 0, length).unwrap();
    let logits = model.logits(&tokens).unwrap();
    for place in 0..length {
        let mut other = tokens.to_vec2::<u32>().unwrap();
        other[0][place] = 1 - other[0][place];
        let changed = model
            .logits(&Tensor::new(other, &Device::Cpu).unwrap())
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
    let tokens = Tensor::new(&[[1u32, 0, 2, 2], [0, 1, 1, 2]], &Device::Cpu).unwrap();
    let (store, model) = recurrent(3, DType::F64);
    assert_gradients(&store, || model.cross_entropy(&tokens), 1e-8);
    let (store, model) = made(4, 3, DType::F64);
    assert_gradients(&store, || model.cross_entropy(&tokens), 1e-8);
    let (store, model) = transformer(3, DType::F64);
    assert_gradients(&store, || model.cross_entropy(&tokens), 1e-7);
}

/// The definitions of top k and top p, in other words: a token is kept if fewer than k are more likely, and if those that are more likely have less than p.
#[test]
fn filters_keep_what_they_say() {
    let logits = normal(&[40, 7], 2.0, 1);
    for (temperature, k, mass) in [
        (1.0, 3, 1.0),
        (0.7, 7, 0.6),
        (1.4, 4, 0.8),
        (2.0, 1, 0.5),
        (1.0, 9, 1e-9),
    ] {
        let sampling = TokenSampling::new().temperature(temperature).unwrap();
        let sampling = sampling.top_k(k).unwrap().top_p(mass).unwrap();
        let found = sampling
            .probabilities(&logits)
            .unwrap()
            .to_vec2::<f64>()
            .unwrap();
        for (row, found) in logits.to_vec2::<f64>().unwrap().iter().zip(found) {
            let weights: Vec<f64> = row.iter().map(|a| (a / temperature).exp()).collect();
            let above = |i: usize| -> Vec<f64> {
                let weights = weights.iter().copied();
                weights
                    .filter(|w| *w > (row[i] / temperature).exp())
                    .collect()
            };
            let is_first = |i: usize| above(i).len() < k;
            let sum = |which: &dyn Fn(usize) -> bool| -> f64 {
                (0..7).filter(|&i| which(i)).map(|i| weights[i]).sum()
            };
            let total = sum(&is_first);
            let kept = |i: usize| is_first(i) && above(i).iter().sum::<f64>() / total < mass;
            let rest = sum(&kept);
            for (i, share) in found.iter().enumerate() {
                let expected = if kept(i) { weights[i] / rest } else { 0.0 };
                assert!((share - expected).abs() < 1e-14, "{found:?} {expected}");
            }
        }
    }
    // Equal tokens, and one that is impossible.
    let row = Tensor::new(&[[0.0, 1.0, 1.0, f64::NEG_INFINITY]], &Device::Cpu).unwrap();
    let p = TokenSampling::new()
        .top_k(1)
        .unwrap()
        .probabilities(&row)
        .unwrap();
    assert_eq!(vector(&p), [0.0, 1.0, 0.0, 0.0]);
}

/// Shares of sequences that are drawn, against their probabilities.
fn check_frequencies<A: Autoregressive>(model: &A, sampling: &TokenSampling, seed: u64) {
    let (count, length, vocabulary) = (20000, 3, model.vocabulary());
    let drawn = model
        .sample(count, length, sampling, &mut Generator::from_seed(seed))
        .unwrap();
    let all = sequences(vocabulary, length);
    let logits = model.logits(&all).unwrap();
    let mut p = vec![1.0; all.dims()[0]];
    for i in 0..length {
        let row = sampling
            .probabilities(&logits.narrow(1, i, 1).unwrap().squeeze(1).unwrap())
            .unwrap();
        let row = row.to_vec2::<f64>().unwrap();
        for (k, tokens) in all.to_vec2::<u32>().unwrap().iter().enumerate() {
            p[k] *= row[k][tokens[i] as usize];
        }
    }
    let mut counts = vec![0.0; p.len()];
    for row in drawn.to_vec2::<u32>().unwrap() {
        counts[row.iter().fold(0, |k, &t| k * vocabulary + t as usize)] += 1.0;
    }
    let (mut chi, mut cells) = (0.0, 0.0);
    for (p, found) in p.iter().zip(&counts) {
        let expected = p * count as f64;
        if *p == 0.0 {
            assert_eq!(*found, 0.0);
        } else {
            chi += (found - expected) * (found - expected) / expected;
            cells += 1.0;
        }
    }
    // Its mean is cells − 1, and its variance twice that.
    assert!(
        chi < cells - 1.0 + 4.0 * (2.0f64 * cells).sqrt(),
        "{chi} of {cells}"
    );
    assert!(cells > 4.0);
}

#[test]
fn samples_have_their_probabilities() {
    let plain = TokenSampling::new();
    let filtered = TokenSampling::new()
        .temperature(1.3)
        .unwrap()
        .top_k(2)
        .unwrap()
        .top_p(0.97)
        .unwrap();
    for sampling in [plain, filtered] {
        check_frequencies(&transformer(3, DType::F64).1, &sampling, 1);
        check_frequencies(&recurrent(3, DType::F64).1, &sampling, 2);
        check_frequencies(&made(3, 3, DType::F64).1, &sampling, 3);
    }
}

/// Continuations have the conditional law, and the given tokens at their beginning.
#[test]
fn completions_begin_with_what_is_given() {
    let (_, model) = transformer(3, DType::F64);
    let given = Tensor::new(&[[2u32, 1]], &Device::Cpu)
        .unwrap()
        .repeat((20000, 1))
        .unwrap();
    let mut rng = Generator::from_seed(0);
    let drawn = model
        .complete(&given, 3, &TokenSampling::new(), &mut rng)
        .unwrap();
    assert_eq!(
        drawn.narrow(1, 0, 2).unwrap().to_vec2::<u32>().unwrap(),
        given.to_vec2::<u32>().unwrap()
    );
    let logits = model.logits(&drawn.narrow(0, 0, 1).unwrap()).unwrap();
    let p = vector(
        &TokenSampling::new()
            .probabilities(&logits.get(0).unwrap().narrow(0, 2, 1).unwrap())
            .unwrap(),
    );
    let last = drawn.narrow(1, 2, 1).unwrap();
    for (token, p) in p.iter().enumerate() {
        let share = scalar(
            &last
                .eq(token as u32)
                .unwrap()
                .to_dtype(DType::F64)
                .unwrap()
                .mean_all()
                .unwrap(),
        );
        assert!(
            (share - p).abs() < 4.0 * (p * (1.0 - p) / 20000.0).sqrt(),
            "{share} {p}"
        );
    }
    // The same seed draws the same.
    let again = |seed| {
        model
            .sample(4, 9, &TokenSampling::new(), &mut Generator::from_seed(seed))
            .unwrap()
    };
    assert_eq!(
        again(5).to_vec2::<u32>().unwrap(),
        again(5).to_vec2::<u32>().unwrap()
    );
    assert_ne!(
        again(5).to_vec2::<u32>().unwrap(),
        again(6).to_vec2::<u32>().unwrap()
    );
}

/// Numbers of PyTorch: `golden/sequences_torch.py`.
#[test]
fn numbers_of_pytorch() {
    let text = include_str!("golden/sequences_torch.json");
    let golden: serde_json::Value = serde_json::from_str(text).unwrap();
    let formula = |number: usize, dims: &[usize]| {
        let count: usize = dims.iter().product();
        let k = number as f64;
        let values = (0..count).map(|i| 0.5 * (0.7 * i as f64 * (1.0 + 0.1 * k) + k).sin());
        Tensor::from_vec(values.collect::<Vec<_>>(), dims, &Device::Cpu).unwrap()
    };
    let set = |store: &ParameterStore| {
        let mut parameters = store.parameters();
        parameters.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (k, (_, var)) in parameters.iter().enumerate() {
            var.set(&formula(k, var.dims())).unwrap();
        }
    };
    let expected = |value: &serde_json::Value, dims: &[usize]| {
        let numbers = value
            .as_array()
            .unwrap()
            .iter()
            .map(|x| x.as_f64().unwrap());
        Tensor::from_vec(numbers.collect::<Vec<_>>(), dims, &Device::Cpu).unwrap()
    };
    let parameters = store(DType::F64);
    let gru = GatedRecurrentUnit::new(3, 4, 2, &parameters.builder()).unwrap();
    set(&parameters);
    let (outputs, state) = gru
        .forward(&formula(20, &[2, 5, 3]), &formula(21, &[2, 2, 4]))
        .unwrap();
    assert_close(
        &outputs,
        &expected(&golden["gru"]["outputs"], &[2, 5, 4]),
        0.0,
        1e-13,
    );
    assert_close(
        &state,
        &expected(&golden["gru"]["state"], &[2, 2, 4]),
        0.0,
        1e-13,
    );

    let parameters = store(DType::F64);
    let config = CausalTransformer::config(5, 7).width(8).heads(2).layers(2);
    let model = config.build(&parameters.builder()).unwrap();
    set(&parameters);
    let tokens = Tensor::new(&[[1u32, 0, 4, 2, 3, 3], [2, 2, 1, 0, 4, 1]], &Device::Cpu).unwrap();
    let logits = model.logits(&tokens).unwrap();
    assert_close(
        &logits,
        &expected(&golden["transformer"]["logits"], &[2, 6, 5]),
        0.0,
        1e-12,
    );
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

#[test]
fn what_does_not_fit_is_told() {
    let (_, model) = transformer(3, DType::F64);
    let mut rng = Generator::from_seed(0);
    let tokens = |tokens: &[[u32; 2]; 1]| Tensor::new(tokens, &Device::Cpu).unwrap();
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
        message(model.logits(&Tensor::zeros((1, 10), DType::U32, &Device::Cpu).unwrap()))
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
    assert!(message(TokenSampling::new().temperature(0.0)).starts_with("temperature: got 0"));
    assert!(message(TokenSampling::new().top_k(0)).starts_with("top_k: got 0"));
    assert!(message(TokenSampling::new().top_p(f64::NAN)).starts_with("top_p: got NaN"));
    let nan = Tensor::new(&[[0.0, f64::NAN]], &Device::Cpu).unwrap();
    assert!(
        message(TokenSampling::new().probabilities(&nan))
            .starts_with("logits: got NaN at flat index 1")
    );
    assert!(
        message(TokenSampling::new().probabilities(&nan.get(0).unwrap()))
            .starts_with("logits: got shape [2]")
    );
    let none = Tensor::full(f64::NEG_INFINITY, (1, 2), &Device::Cpu).unwrap();
    assert!(message(TokenSampling::new().probabilities(&none)).starts_with("logits: got -inf"));
}

/// The output biases become the logits of the tokens' shares, so that the first token has these exactly, and with weights of 0 all places do.
#[test]
fn initial_biases_are_shares_of_the_data() {
    let (store, model) = made(3, 3, DType::F64);
    let data = [[0u32, 2, 1], [0, 2, 1], [0, 1, 1], [0, 2, 0], [2, 2, 1]];
    let data = Tensor::new(&data, &Device::Cpu).unwrap();
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
    let one = Tensor::new(&[[1u32, 2, 0]], &Device::Cpu).unwrap();
    let expected = share(0.0) * share(4.0) * share(1.0);
    let found = vector(&model.log_likelihood(&one).unwrap().exp().unwrap())[0];
    assert!((found - expected).abs() < 1e-15, "{found} {expected}");

    let frozen = MaskedAutoencoder::new(3, 3, &[8, 7], Activation::Tanh, &store.frozen()).unwrap();
    assert!(message(frozen.initialize(&data)).starts_with("the model: got frozen parameters"));
    let short = data.narrow(1, 0, 2).unwrap();
    assert!(message(model.initialize(&short)).starts_with("tokens: got shape [5, 2]"));
}
