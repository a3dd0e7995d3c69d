//! How tokens are drawn: filters, shares of sequences, continuations.

use advect_classics::autoregressive::{Autoregressive, TokenSampling};
use advect_core::Generator;
use advect_core::testing::device;
use candle_core::{DType, Tensor};

use super::{made, recurrent, sequences, transformer};
use crate::common::{normal, scalar, vector};

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
    let row = Tensor::new(&[[0.0, 1.0, 1.0, f64::NEG_INFINITY]], device()).unwrap();
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
    let given = Tensor::new(&[[2u32, 1]], device())
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
