//! Training steps of the models before transport (loss, backward, AdamW). `cargo bench --bench classics`.
//!
//! Flows have networks with two hidden layers of a width w, in couplings (c) or autoregressive layers (l), on batches (b) of d numbers;
//! the Boltzmann machine has v visible and h hidden units; models of sequences have v tokens, features of a width w and a length n.
#![allow(clippy::unwrap_used, missing_docs)]

use advect::classics::flow::{Affine, Composition, NormalizingFlow};
use advect::prelude::*;
use advect_benches::{points, store};
use criterion::{Criterion, criterion_group, criterion_main};

const DIM: usize = 16;
const WIDTH: usize = 128;
const BATCH: usize = 512;

fn adamw(store: &ParameterStore) -> AdamW {
    AdamW::from_store(store, AdamWConfig::default()).unwrap()
}

/// The network of a coupling with a number of parameters for each element.
fn network(parameters: usize, builder: &advect::nn::Builder) -> Mlp {
    let config = Mlp::config(DIM).outputs(parameters * DIM);
    let config = config.hidden(&[WIDTH; 2]).activation(Activation::Relu);
    config.time(TimeEmbedding::None).build(builder).unwrap()
}

/// Steps on the mean log-density.
fn density(c: &mut Criterion, case: &str, store: &ParameterStore, layers: Vec<Box<dyn Bijection>>) {
    let flow = NormalizingFlow::new(&[DIM], Composition::new(&[DIM], layers).unwrap()).unwrap();
    let (mut optimizer, data) = (adamw(store), points(0, BATCH, DIM).unwrap());
    c.bench_function(case, |b| {
        b.iter(|| {
            let loss = forward_kl(&flow, &data).unwrap();
            optimizer.backward_step(&loss).unwrap();
        });
    });
}

fn couplings(c: &mut Criterion) {
    let mask = |k| Mask::alternating(&[DIM], k).unwrap();
    let affine = store();
    let layers = (0..6).map(|k| {
        let net = network(2, &affine.builder().pp(k));
        Box::new(AffineCoupling::affine(mask(k), net)) as Box<dyn Bijection>
    });
    let case = "classics/realnvp_step/d16_w128_c6_b512";
    density(c, case, &affine, layers.collect());

    let spline = store();
    let layers = (0..4).map(|k| {
        let net = network(23, &spline.builder().pp(k));
        let layer = SplineCoupling::spline(mask(k), net, 8, 5.0).unwrap();
        Box::new(layer) as Box<dyn Bijection>
    });
    let case = "classics/spline_step/d16_w128_c4_k8_b512";
    density(c, case, &spline, layers.collect());
}

fn autoregressive_flow(c: &mut Criterion) {
    let store = store();
    let layers = (0..5).map(|k| {
        let order: Vec<usize> = match k % 2 {
            0 => (0..DIM).collect(),
            _ => (0..DIM).rev().collect(),
        };
        let (hidden, builder) = ([WIDTH; 2], store.builder().pp(k));
        let net = MaskedPerceptron::new(&order, 0, &hidden, 2, Activation::Relu, &builder).unwrap();
        let layer = MaskedAutoregressive::new(net, Affine::unbounded()).unwrap();
        Box::new(layer) as Box<dyn Bijection>
    });
    let case = "classics/maf_step/d16_w128_l5_b512";
    density(c, case, &store, layers.collect());
}

fn boltzmann(c: &mut Criterion) {
    let store = store();
    let machine = RestrictedBoltzmannMachine::binary(784, 256, &store.builder()).unwrap();
    let config = SgdConfig {
        learning_rate: 0.01,
        ..SgdConfig::default()
    };
    let mut optimizer = Sgd::from_store(&store, config).unwrap();
    let data = points(0, 128, 784).unwrap().gt(1.0).unwrap();
    let data = data.to_dtype(DType::F32).unwrap();
    let mut chains = ContrastiveDivergence::new(Gibbs, 1).unwrap();
    let mut rng = Generator::from_seed(1);
    c.bench_function("classics/rbm_cd1_step/v784_h256_b128", |b| {
        b.iter(|| {
            let negatives = chains.draw(&machine, &data, &mut rng).unwrap();
            let loss = contrastive_loss(&machine, &data, &negatives).unwrap();
            optimizer.backward_step(&loss).unwrap();
        });
    });
}

/// Steps on the cross-entropy of sequences.
fn sequences<A: Autoregressive>(c: &mut Criterion, case: &str, store: &ParameterStore, model: &A) {
    let mut optimizer = adamw(store);
    let count = model.vocabulary() as f64;
    let uniform = Generator::from_seed(2).uniform(0.0..count, (32, 64), DType::F32, &Device::Cpu);
    let tokens = uniform.unwrap().to_dtype(DType::U32).unwrap();
    c.bench_function(case, |b| {
        b.iter(|| {
            let loss = model.cross_entropy(&tokens).unwrap();
            optimizer.backward_step(&loss).unwrap();
        });
    });
}

fn language(c: &mut Criterion) {
    let recurrent = store();
    let model = RecurrentModel::new(64, WIDTH, 1, &recurrent.builder()).unwrap();
    sequences(c, "classics/gru_step/v64_w128_n64_b32", &recurrent, &model);

    let attention = store();
    let config = CausalTransformer::config(64, 64).width(WIDTH).layers(4);
    let model = config.build(&attention.builder()).unwrap();
    let case = "classics/transformer_step/v64_w128_h4_l4_n64_b32";
    sequences(c, case, &attention, &model);
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = couplings, autoregressive_flow, boltzmann, language
}
criterion_main!(benches);
