//! Training steps: noise, times, loss, backward, AdamW. `cargo bench --bench training`.
#![allow(clippy::unwrap_used, missing_docs)]

use advect::prelude::*;
use advect_benches::{mlp, points, store};
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

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = cfm_mlp
}
criterion_main!(benches);
