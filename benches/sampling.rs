//! Sampling with trained-like fields: `cargo bench --bench sampling`.
#![allow(clippy::unwrap_used, missing_docs)]

use advect::prelude::*;
use advect_benches::{frozen_mlp, points};
use criterion::{Criterion, criterion_group, criterion_main};

fn euler(c: &mut Criterion) {
    let net = frozen_mlp(2, 64).unwrap();
    let solver = Solver::new(Euler, Fixed::steps(100).unwrap());
    for batch in [1, 256, 4096] {
        let x = points(3, batch, 2).unwrap();
        c.bench_function(&format!("sample/euler100_mlp64/b{batch}"), |b| {
            b.iter(|| solver.solve(&net, &x, 0.0, 1.0).unwrap().end().unwrap());
        });
    }
}

fn dopri5(c: &mut Criterion) {
    for (batch, width, dim) in [(1024, 64, 2), (1024, 512, 64)] {
        let net = frozen_mlp(dim, width).unwrap();
        let x = points(3, batch, dim).unwrap();
        let solver = Solver::new(Dopri5, Adaptive::new(1e-5, 1e-5).unwrap());
        c.bench_function(
            &format!("sample/dopri5_1e-5_mlp{width}/b{batch}_d{dim}"),
            |b| {
                b.iter(|| solver.solve(&net, &x, 0.0, 1.0).unwrap().end().unwrap());
            },
        );
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = euler, dopri5
}
criterion_main!(benches);
