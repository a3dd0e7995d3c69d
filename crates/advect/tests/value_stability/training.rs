//! Initial values, pairs, optimisers and averages.

use advect::candle_nn;
use advect::prelude::*;

use crate::{CPU, check, elements};

#[test]
fn initial_values() {
    let store = ParameterStore::new(Key::from_seed(7), DType::F64, &CPU);
    let builder = store.builder();
    Linear::new(2, 1, &builder.pp("ours")).unwrap();
    candle_nn::linear(2, 1, builder.pp("theirs")).unwrap();
    let values: Vec<f64> = store.tensors().iter().flat_map(elements).collect();
    check(&[(
        "linear layers",
        values,
        &[
            0.1815753903455939,
            -0.22843901487298202,
            0.5235497714800885,
            0.23281847961590432,
            -1.4023101992397724,
            0.5667813383872595,
        ],
    )]);
}

#[test]
fn pairs() {
    let mut rng = Generator::from_seed(7);
    let x0 = rng.normal((5, 2), DType::F64, &CPU).unwrap();
    let x1 = rng.normal((5, 2), DType::F64, &CPU).unwrap();
    let indices = |coupling: &dyn Coupling| {
        let pairs = coupling
            .pair(&x0, &x1, &mut Generator::from_seed(8))
            .unwrap();
        let both = [pairs.source_indices(), pairs.target_indices()];
        both.into_iter().flat_map(elements).collect::<Vec<f64>>()
    };
    check(&[
        (
            "independent",
            indices(&Independent),
            &[0.0, 1.0, 2.0, 3.0, 4.0, 2.0, 3.0, 4.0, 0.0, 1.0],
        ),
        (
            "exact",
            indices(&ExactOt),
            &[0.0, 1.0, 2.0, 3.0, 4.0, 0.0, 4.0, 1.0, 2.0, 3.0],
        ),
        (
            "entropic",
            indices(&EntropicOt::new(0.5).unwrap()),
            &[0.0, 2.0, 3.0, 4.0, 2.0, 0.0, 1.0, 2.0, 3.0, 4.0],
        ),
    ]);
}

#[test]
fn steps() {
    let store = ParameterStore::new(Key::from_seed(7), DType::F64, &CPU);
    let layer = Linear::new(2, 1, &store.builder()).unwrap();
    let optimizer = AdamW::from_store(&store, AdamWConfig::default()).unwrap();
    let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(8))
        .learning_rate(WarmupCosine::new(0.1, 2, 5).unwrap())
        .clip_norm(0.5)
        .unwrap()
        .ema(0.9)
        .unwrap();
    let loss = |_: usize, rng: &mut Generator| {
        let x = rng.normal((4, 2), DType::F64, &CPU)?;
        Ok((layer.forward(&x)? - x.sum_keepdim(1)?)?
            .sqr()?
            .mean_all()?)
    };
    trainer.run(3, loss, &mut ()).unwrap();
    let values = |store: &ParameterStore| -> Vec<f64> {
        store.tensors().iter().flat_map(elements).collect()
    };
    check(&[
        (
            "parameters",
            values(&store),
            &[-0.08898066808547644, 0.7098654381394502, 0.2045935098258716],
        ),
        (
            "averages",
            values(trainer.averaged()),
            &[
                -0.29692968662809155,
                0.6408143258019252,
                0.040407490851815143,
            ],
        ),
    ]);
}
