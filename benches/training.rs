//! Training steps (noise, times, loss, backward, AdamW), and the U-Nets alone. `cargo bench --bench training`.
#![allow(clippy::unwrap_used, missing_docs)]

use advect::prelude::*;
use advect_benches::{UNETS, mlp, points, store, unet};
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

fn cfm_unet(c: &mut Criterion) {
    for (name, shape) in UNETS {
        let store = store();
        let net = unet(&store, shape).unwrap();
        let config = AdamWConfig {
            learning_rate: 2e-4,
            ..AdamWConfig::default()
        };
        let mut optimizer = AdamW::from_store(&store, config).unwrap();
        let objective = flow_matching(Affine::new(CondOt::default()));
        let mut rng = Generator::from_seed(1);
        let data = rng.normal(&shape, DType::F32, &Device::Cpu).unwrap();
        c.bench_function(&format!("train/cfm_unet/{name}"), |b| {
            b.iter(|| {
                let noise = rng.normal_like(&data).unwrap();
                let loss = objective.loss(&net, &noise, &data, &mut rng).unwrap();
                optimizer.backward_step(&loss).unwrap();
            });
        });
    }
}

fn forward_unet(c: &mut Criterion) {
    for (name, shape) in UNETS {
        let store = store();
        let net = unet(&store, shape).unwrap();
        let net = net.on(&store.frozen()).unwrap();
        let mut rng = Generator::from_seed(1);
        let x = rng.normal(&shape, DType::F32, &Device::Cpu).unwrap();
        let t = rng
            .uniform(0.0..1.0, shape[0], DType::F64, &Device::Cpu)
            .unwrap();
        let t = Time::PerSample(t);
        c.bench_function(&format!("forward/unet/{name}"), |b| {
            b.iter(|| net.at(&t, &x).unwrap());
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = cfm_mlp, cfm_unet, forward_unet
}
criterion_main!(benches);
