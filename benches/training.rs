//! Training steps (noise, times, loss, backward, AdamW), and networks of images alone. `cargo bench --bench training`.
#![allow(clippy::unwrap_used, missing_docs)]

use advect::prelude::*;
use advect_benches::{DDPMPP, TRANSFORMER, UNETS, ddpmpp, mlp, points, sit, stir, store, unet};
use criterion::{Criterion, criterion_group, criterion_main};

fn cfm_mlp(c: &mut Criterion) {
    for (width, batch, dim) in [(64, 256, 2), (512, 4096, 2), (256, 1024, 64)] {
        let store = store();
        let net = mlp(&store, dim, width).unwrap();
        let mut optimizer = AdamW::from_store(&store, AdamWConfig::default()).unwrap();
        let objective = flow_matching(Affine::new(CondOt::default()));
        let data = points(0, batch, dim).unwrap();
        let mut rng = Generator::from_seed(1);
        c.bench_function(&format!("train/cfm_mlp/w{width}_b{batch}_d{dim}"), |b| {
            b.iter(|| {
                let noise = rng.normal_like(&data).unwrap();
                let loss = objective.loss(&net, &noise, &data, &mut rng).unwrap();
                optimizer.backward_step(&loss).unwrap();
            });
        });
    }
}

/// Steps of flow matching on images of a shape.
fn train<N: Field>(
    c: &mut Criterion,
    case: &str,
    (store, net): (&ParameterStore, &N),
    shape: [usize; 4],
) {
    let config = AdamWConfig {
        learning_rate: 2e-4,
        ..AdamWConfig::default()
    };
    let mut optimizer = AdamW::from_store(store, config).unwrap();
    let objective = flow_matching(Affine::new(CondOt::default()));
    let mut rng = Generator::from_seed(1);
    let data = rng.normal(&shape, DType::F32, &Device::Cpu).unwrap();
    c.bench_function(case, |b| {
        b.iter(|| {
            let noise = rng.normal_like(&data).unwrap();
            let loss = objective.loss(net, &noise, &data, &mut rng).unwrap();
            optimizer.backward_step(&loss).unwrap();
        });
    });
}

/// Values of a frozen network on images of a shape.
fn forward<N: Field>(c: &mut Criterion, case: &str, net: &N, shape: [usize; 4]) {
    let mut rng = Generator::from_seed(1);
    let x = rng.normal(&shape, DType::F32, &Device::Cpu).unwrap();
    let t = rng
        .uniform(0.0..1.0, shape[0], DType::F64, &Device::Cpu)
        .unwrap();
    let t = Time::PerSample(t);
    c.bench_function(case, |b| b.iter(|| net.at(&t, &x).unwrap()));
}

fn cfm_unet(c: &mut Criterion) {
    for (name, shape) in UNETS {
        let store = store();
        let net = unet(&store, shape).unwrap();
        train(c, &format!("train/cfm_unet/{name}"), (&store, &net), shape);
    }
}

fn forward_unet(c: &mut Criterion) {
    for (name, shape) in UNETS {
        let store = store();
        let net = unet(&store, shape).unwrap();
        let net = net.on(&store.frozen()).unwrap();
        forward(c, &format!("forward/unet/{name}"), &net, shape);
    }
}

fn transformer(c: &mut Criterion) {
    let (name, shape) = TRANSFORMER;
    let store = store();
    let net = sit(&store, shape).unwrap();
    // With its zeros, no gradient would go beyond the last layer.
    stir(&store).unwrap();
    train(c, &format!("train/sit/{name}"), (&store, &net), shape);
    let net = net.on(&store.frozen()).unwrap();
    forward(c, &format!("forward/sit/{name}"), &net, shape);
}

fn forward_song(c: &mut Criterion) {
    let (name, shape) = DDPMPP;
    let store = store();
    let net = ddpmpp(&store, shape).unwrap();
    let net = net.on(&store.frozen()).unwrap();
    forward(c, &format!("forward/song/{name}"), &net, shape);
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = cfm_mlp, cfm_unet, forward_unet, transformer, forward_song
}
criterion_main!(benches);
