//! Log-densities along flows: `cargo bench --bench likelihood`.
#![allow(clippy::unwrap_used, missing_docs)]

use advect::core::normal::log_standard_normal;
use advect::prelude::*;
use advect::solvers::divergence::{Exact, Flow, Hutchinson, Probe};
use advect_benches::{frozen_mlp, points};
use criterion::{Criterion, criterion_group, criterion_main};

fn exact(c: &mut Criterion) {
    let x = points(3, 1024, 2).unwrap();
    let flow = Flow::new(frozen_mlp(2, 64).unwrap(), Exact);
    let solver = Solver::new(Midpoint, Fixed::steps(50).unwrap());
    c.bench_function("likelihood/midpoint50_mlp64/exact_b1024_d2", |b| {
        b.iter(|| flow.log_density(&solver, &x, log_standard_normal).unwrap());
    });
}

fn hutchinson(c: &mut Criterion) {
    for (name, steps, batch, width, dim) in [
        (
            "likelihood/midpoint50_mlp64/hutchinson_b1024_d2",
            50,
            1024,
            64,
            2,
        ),
        (
            "likelihood/midpoint20_mlp256/hutchinson_b256_d64",
            20,
            256,
            256,
            64,
        ),
    ] {
        let x = points(3, batch, dim).unwrap();
        let net = frozen_mlp(dim, width).unwrap();
        let solver = Solver::new(Midpoint, Fixed::steps(steps).unwrap());
        let mut rng = Generator::from_seed(1);
        c.bench_function(name, |b| {
            b.iter(|| {
                let probe = Hutchinson::new(Probe::Rademacher, 1, &x, &mut rng).unwrap();
                let flow = Flow::new(net.clone(), probe);
                flow.log_density(&solver, &x, log_standard_normal).unwrap()
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = exact, hutchinson
}
criterion_main!(benches);
